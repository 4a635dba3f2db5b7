"""A page that stands by itself: whatever is told in it can neither run nor fetch anything, nor hide."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from html import unescape
from pathlib import Path

import pytest

from ai_memory.errors import StorageFailed
from ai_memory.reembed.inspect.account import Lengths
from ai_memory.reembed.inspect.neighbours import Neighbours
from ai_memory.reembed.inspect.pace import Pace, Start, Stretch
from ai_memory.show import plots
from ai_memory.show.page import MARK, cell, is_ours, page, paragraph, put, table, text
from tests.show.pages import tags

S = 1_000
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&lt;'
FIRST, SECOND = Stretch(0, 60 * S), Stretch(120 * S, 200 * S)
PACE = Pace(
    (Start(FIRST, 50, 75, "max-rows"), Start(SECOND, 100, 0)),
    (Stretch(150 * S, 170 * S),),
    ((0, 0), (30 * S, 20), (60 * S, 50), (120 * S, 50), (200 * S, 150)),
)
DRAWN = {
    "pace": plots.draw_pace(PACE),
    "namespaces": plots.draw_namespaces(
        [HOSTILE, "$\\frac{", "a\x00\ud800\n\u202eb"], {"done": [3, 2, 1], "stale": [1, 0, 9]}
    ),
    "lengths": plots.draw_lengths(Lengths(6, 600, {3: 4, 7: 1, 8: 1}, 100, 1, 28, exact=True)),
    "neighbours": plots.draw_neighbours(Neighbours(55, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))),
}


@pytest.mark.parametrize("told", [HOSTILE, "a\u202eb\x00", "\ud800"])
def test_a_text_is_shown_as_it_is_and_nothing_else(told: str) -> None:
    for shown in (page("t", paragraph(told)), page(told), page("t", table(("name",), [(told,)]))):
        assert tags(shown) <= {*tags(page("t")), "p", "div", "table", "tr", "th", "td"}
        shown.encode("utf-8")
    assert unescape(text(HOSTILE)) == HOSTILE
    assert "\u202e" not in text("\u202e")
    assert len(cell("x" * 10_000)) < 500


def test_the_policy_lets_the_one_style_sheet_in_and_nothing_else() -> None:
    shown = page("t", *DRAWN.values())

    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', shown)
    (style,) = re.findall(r"<style>(.*?)</style>", shown, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert shown.index("Content-Security-Policy") < shown.index("<style>")


@pytest.mark.parametrize("name", DRAWN)
def test_a_graph_has_its_looks_from_the_page_and_refers_to_nothing_but_itself(name: str) -> None:
    drawn = DRAWN[name]

    assert tags(drawn) <= {"svg", "g", "path", "use", "text", "defs", "clippath", "rect"}
    assert not re.search(r'\b(style|on\w+)="', drawn)
    assert {each[0] for each in re.findall(r'(?:href="|url\()([^")]*)', drawn)} <= {"#"}
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn))
    assert referred == set(re.findall(r' id="([^"]+)"', drawn)) & referred
    # No colour of matplotlib's own, which would be black in the dark.
    assert not re.search(r'(fill|stroke)="#', drawn)


def test_what_graphs_refer_to_is_not_mixed_up_on_a_page() -> None:
    clips = [each for drawn in DRAWN.values() for each in re.findall(r'<clipPath id="([^"]+)"', drawn)]

    assert len(clips) == len(set(clips)) == 5


def test_pauses_and_outages_are_drawn_where_they_were() -> None:
    for kind, began, ended in (("pause", 60, 120), ("outage", 150, 170)):
        (left, right), (from_0, to_200) = span_of(kind), span_of_axes()
        a_second = (to_200 - from_0) / 200
        assert (left, right) == pytest.approx((from_0 + began * a_second, from_0 + ended * a_second), abs=0.2)


def span_of(kind: str) -> tuple[float, float]:
    """Return from where to where the first mark of a kind reaches, in units of the graph."""
    (path, *_) = re.findall(rf'd="([^"]*)"[^>]*class="fill-{kind}"', DRAWN["pace"])
    places = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
    return min(places), max(places)


def span_of_axes() -> tuple[float, float]:
    """Return where the curve begins and ends."""
    (path, *_) = re.findall(r'd="([^"]*)"[^>]*class="stroke-done"', DRAWN["pace"])
    places = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
    return min(places), max(places)


def test_a_graph_is_the_same_again() -> None:
    assert plots.draw_pace(PACE) == DRAWN["pace"]


@pytest.mark.parametrize(
    ("held", "ours"),
    [(b"", False), (MARK.encode() + b"rest", True), (b"<!DOCTYPE html>\n<p>mine", False), (b"x", False)],
)
def test_a_report_of_ours_is_known_by_its_beginning(tmp_path: Path, held: bytes, ours: bool) -> None:
    path = tmp_path / "f.html"
    path.write_bytes(held)

    assert is_ours(path) is ours
    assert not is_ours(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_page_is_its_owners_alone_and_one_that_is_replaced_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "f.html"

    put(path, b"new")
    assert mode(path) == 0o600

    for rights in (0o640, 0o600, 0o644):
        path.chmod(rights)
        put(path, b"newer")
        assert (mode(path), path.read_bytes()) == (rights, b"newer")
    assert list(tmp_path.iterdir()) == [path]


def test_through_a_link_the_page_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    there, link = tmp_path / "there" / "f.html", tmp_path / "link.html"
    there.write_bytes(b"old")
    link.symlink_to(there)

    put(link, b"new")

    assert (link.is_symlink(), there.is_symlink(), there.read_bytes()) == (True, False, b"new")
    assert sorted(tmp_path.rglob("*.*")) == [link, there]


def test_where_a_page_cannot_be_written_one_line_says_so_and_what_stands_there_stays(tmp_path: Path) -> None:
    for path in (tmp_path / ("n" * 250), tmp_path / "nowhere" / "f.html"):
        with pytest.raises(StorageFailed, match="cannot be written"):
            put(path, b"new")
    others = tmp_path / f"f.html.{os.getpid()}.unfinished"
    others.write_bytes(b"others")

    with pytest.raises(StorageFailed, match="cannot be written"):
        put(tmp_path / "f.html", b"new")

    assert [(each, each.read_bytes()) for each in tmp_path.iterdir()] == [(others, b"others")]
