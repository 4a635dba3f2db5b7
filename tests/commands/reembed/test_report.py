"""`reembed report --html` by real processes against a real server on loopback: what it says, what it leaves alone."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.show.page import MARK
from tests.conftest import ROOT
from tests.show.pages import tags, words
from tests.support import files
from tests.support.command import Command, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 60
HOSTILE = "<script>alert('1')</script>"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    """A file whose rows have the vectors of an old model."""
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    assert command.run("reembed").code == 0
    yield command
    command.end()


@pytest.fixture
def html(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def migrated(command: Command, endpoint: FakeEndpoint, **behaviour: object) -> Command:
    """Return the command on the same file, with a model of another width, to which it is migrated but for the end."""
    endpoint.change(model="new", weights="new", dim=8, **behaviour)
    other = Command(command.db, remote(endpoint))
    assert other.run("reembed", "--batch", "10", "--max-rows", "20").code == 75
    return other


def written(command: Command) -> int:
    """Return how many rows the second run has written by now."""
    status = command.run("reembed", "status", "--json").json
    return int(status["reembedded"]) if status["run_id"] == 2 else 0


def told(command: Command, html: Path, *options: str | Path) -> str:
    """Return the words of the page that the command writes."""
    answer = command.run("reembed", "report", "--html", html, *options)
    assert (answer.code, answer.err) == (0, "")
    return words(html.read_text("utf-8"))


def test_a_page_tells_what_a_run_did_and_how_its_starts_ended(
    command: Command, endpoint: FakeEndpoint, html: Path
) -> None:
    other = migrated(command, endpoint)
    unfinished = told(other, html)
    assert other.run("reembed", "--resume").code == 0

    done = told(other, html)

    assert "m.db: fake, 16 numbers → new, 8 numbers" in done
    assert f"20 of {ROWS} rows (33 %) have the new vectors. Stopped at 20" in unfinished
    assert f"{ROWS} of {ROWS} rows (100 %) have the new vectors. Done at 20" in done
    assert re.search(r"begun worked rows ended .{16} \d+ s 20 --max-rows was used up .{16} \d+ s 40 complete", done)
    assert f"namespace rows done stale quarantined a {ROWS // 2} 10 20 0 b" not in done
    assert f"namespace rows done stale quarantined a {ROWS // 2} {ROWS // 2} 0 0 b {ROWS // 2} {ROWS // 2} 0 0" in done
    assert f"When it began: vectors rows fake, 16 numbers {ROWS} Now: new rows new, 8 numbers {ROWS}" in done
    assert f"What stood in {ROWS} rows before is kept" in done
    assert "Rows without a new vector None: every row that was met got its vector." in done


def test_its_figures_are_those_of_the_status(
    command: Command, endpoint: FakeEndpoint, html: Path, tmp_path: Path
) -> None:
    config = tmp_path / "priced.toml"
    config.write_text("[embeddings]\nprice_per_million_tokens = 2000.0\n", "utf-8")
    other = migrated(command, endpoint)

    shown = told(other, html, "--config", config)

    status = other.run("reembed", "status", "--exact", "--json", "--config", config).json
    assert f"texts sent {status['texts_sent']:,} " in shown
    assert f" requests {status['requests']:,} " in shown
    assert f"tokens that the endpoint reported {status['tokens']:,} " in shown
    assert f"cost at the price that is configured now {status['cost']:.2f}" in shown
    assert status["cost"] > 0.1


def test_the_written_rows_of_every_start_are_known_after_a_kill(
    command: Command, endpoint: FakeEndpoint, html: Path
) -> None:
    endpoint.change(model="new", weights="new", latency=0.2)
    other = Command(command.db, remote(endpoint))
    process = other.start("reembed", "--batch", "4", "--concurrency", "1")
    wait_for(lambda: written(other) >= 8)
    kill(process, signal.SIGKILL)
    killed = written(other)
    endpoint.change(latency=0.0)
    assert other.run("reembed", "--resume").code == 0

    shown = told(other, html)

    assert re.search(rf"\d+ s {killed} killed, or its machine went down .{{16}} \d+ s {ROWS - killed} complete", shown)


def test_an_outage_is_told_and_drawn(command: Command, endpoint: FakeEndpoint, html: Path) -> None:
    other = migrated(command, endpoint)
    endpoint.fail("unavailable", times=1_000)
    assert other.run("reembed", "--resume", "--retry-for", "0s").code == 75

    shown = told(other, html)

    assert re.search(r"The endpoint was away \d+ s in all, in 1 outage\.", shown)
    assert "the endpoint is in trouble" in shown
    assert 'class="fill-outage"' in html.read_text("utf-8")
    assert other.run("reembed", "rollback").code == 0
    assert "was away" not in told(other, html)


def test_neighbours_before_and_after_are_compared_as_long_as_what_was_replaced_is_kept(
    command: Command, endpoint: FakeEndpoint, html: Path
) -> None:
    other = migrated(command, endpoint)
    assert "Fewer than 30 rows have both an old and a new vector" in told(other, html)
    assert other.run("reembed", "--resume").code == 0

    compared = told(other, html)
    files.execute(command.db, "UPDATE memories SET content = 'edited' WHERE id < 'id-005'")
    edited = told(other, html)
    assert other.run("reembed", "prune", "--yes").code == 0

    assert f"In {ROWS} rows drawn by lot, on average" in compared
    assert f"In {ROWS - 5} rows drawn by lot, on average" in edited
    assert "What the run replaced is not kept" in told(other, html)


def test_a_staged_run_is_compared_with_what_is_served(command: Command, endpoint: FakeEndpoint, html: Path) -> None:
    endpoint.change(model="new", weights="new")
    other = Command(command.db, remote(endpoint))
    assert other.run("reembed", "--staged").code == 0

    shown = told(other, html)

    assert "Ready: the new vectors stand beside the old ones" in shown
    assert f"In {ROWS} rows drawn by lot" in shown


def test_vectors_that_are_as_they_were_have_the_same_neighbours(
    command: Command, endpoint: FakeEndpoint, html: Path
) -> None:
    endpoint.change(model="new", weights="new")
    other = Command(command.db, remote(endpoint))
    assert other.run("reembed").code == 0
    as_now = "(SELECT m.embedding FROM memories AS m WHERE m.id = memory_id)"
    files.execute(command.db, f"UPDATE embedding_previous SET embedding = {as_now}")

    assert "on average 10.0 of the ten nearest are the same by the old vectors and by the new ones (100 %" in told(
        other, html
    )


def test_what_memories_and_endpoints_say_is_shown_and_runs_nowhere(
    command: Command, endpoint: FakeEndpoint, html: Path
) -> None:
    files.add(command.db, HOSTILE, HOSTILE, title=f"{HOSTILE}\u202e", content="POISON")
    other = migrated(command, endpoint, poison="POISON")
    assert other.run("reembed", "--resume").code == 10

    shown = told(other, html)

    page = html.read_text("utf-8")
    assert "complete but for rows in quarantine" in shown
    assert "Without a new vector 1 rows in quarantine" in shown
    assert "Rows without a new vector reason rows the endpoint refused it 1 Each keeps what it had" in shown
    assert "by their words only" not in shown
    assert f"title namespace what was said {HOSTILE} {HOSTILE} " in shown
    assert "script" not in tags(page)
    assert "\u202e" not in page
    assert not re.search(r'\s(on\w+|style|src|action)="', page)
    assert "default-src 'none'" in page


def test_the_page_of_a_rollback_does_not_say_that_rows_got_vectors(command: Command, html: Path) -> None:
    assert command.run("reembed", "rollback").code == 0

    shown = told(command, html)

    assert files.execute(command.db, "SELECT count(embedding) FROM memories") == [(0,)]
    assert "got its vector" not in shown
    assert "Rows without a new vector A run that puts old vectors back gives no row a new one." in shown


def test_a_switch_that_moves_nothing_yet_was_not_killed(command: Command, endpoint: FakeEndpoint, html: Path) -> None:
    endpoint.change(model="new", weights="new", dim=8)
    other = Command(command.db, remote(endpoint))
    assert other.run("reembed", "--staged").code == 0
    assert other.run("reembed", "switch", "--no-wait").code == 0

    switched = told(other, html)
    assert other.run("reembed", "switch", "--no-wait").code == 0
    assert told(other, html).count(" switched, nothing moved yet") == 1
    assert other.run("reembed", "--resume").code == 0
    moved = told(other, html)

    assert "killed" not in switched + moved
    assert re.search(r" complete .{16} \d+ s 0 switched, nothing moved yet ", switched)
    assert re.search(r" 0 switched, nothing moved yet .{16} \d+ s \d+ complete ", moved)
    assert other.run("reembed", "switch", "--back", "--no-wait").code == 0
    assert re.search(r"begun worked rows ended .{16} \d+ s 0 begun, nothing put back yet ", told(other, html))


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM reembed_event",
        "UPDATE reembed_event SET at = -5",
        "UPDATE reembed_event SET at = 253402300799999",
        "UPDATE reembed_event SET at = 253402300799999 WHERE rowid = (SELECT max(rowid) FROM reembed_event)",
        "UPDATE reembed_event SET kind = 'breaker open'",
        "UPDATE reembed_event SET detail_json = '[' || detail_json",
    ],
)
def test_what_cannot_be_true_of_a_run_is_left_out(command: Command, html: Path, damage: str) -> None:
    files.execute(command.db, damage)

    shown = told(command, html)

    assert f"{ROWS} of {ROWS} rows (100 %) have the new vectors. Done at 20" in shown
    assert "rows/s while it worked" not in shown or "begun worked rows ended" in shown


def test_a_name_of_a_space_that_is_too_long_is_cut_wherever_it_is_told(command: Command, html: Path) -> None:
    stored = json.dumps({"stored": [["x" * 200_000, 3, 1]]})
    files.execute(command.db, "UPDATE reembed_event SET detail_json = ? WHERE kind = 'started'", stored)

    shown = told(command, html)

    assert "m.db: xxxx" in shown
    assert "… → fake, 16 numbers" in shown
    assert "x" * 500 not in shown


def test_how_long_texts_are_is_counted_over_all_rows(command: Command, html: Path) -> None:
    shown = told(command, html)

    assert re.search(rf"{ROWS} texts of [\d,]+ tokens in all \(estimated: four bytes a token\)\.", shown)
    assert "How much of a text the model reads is not known here." in shown


def test_a_run_of_an_earlier_release_says_what_is_not_known(command: Command, html: Path) -> None:
    files.execute(command.db, "DELETE FROM reembed_event WHERE kind IN ('written', 'ended')")
    files.execute(command.db, "UPDATE reembed_event SET detail_json = '{}'")

    shown = told(command, html)

    assert "When rows were written was not noted" in shown
    assert re.search(r"\d+ s not noted not noted", shown)
    assert "killed" not in shown


def test_where_no_run_was_begun_one_line_says_so_and_nothing_is_written(tmp_path: Path, html: Path) -> None:
    bare = Command(files.create(tmp_path / "bare.db"))

    answer = bare.run("reembed", "report", "--html", html)

    assert answer.code == 66
    assert answer.error == (
        f"no run has been started in {bare.db}: there is nothing to report. Begin one: ai-memory reembed"
    )
    assert not html.exists()


def test_a_report_takes_the_place_of_an_older_one_and_of_nothing_else(command: Command, html: Path) -> None:
    told(command, html)
    told(command, html)
    for mine in ("<p>mine</p>", ""):
        html.write_text(mine, "utf-8")

        refused = command.run("reembed", "report", "--html", html)

        assert (refused.code, html.read_text("utf-8")) == (64, mine)
        assert refused.error == f"--html: {html} is there, and is no report of ours. Give --html another file."
    assert [each.name for each in html.parent.iterdir() if "report" in each.name] == ["report.html"]


def test_a_link_to_a_report_leads_to_a_newer_one_and_others_are_refused(
    command: Command, html: Path, tmp_path: Path
) -> None:
    told(command, html)
    html.chmod(0o640)
    link, nowhere, circle = (tmp_path / name for name in ("link.html", "nowhere.html", "circle.html"))
    link.symlink_to(html)
    nowhere.symlink_to(tmp_path / "missing.html")
    circle.symlink_to(circle)
    html.write_text(MARK, "utf-8")

    assert "Rows over time" in told(command, link)

    assert (link.readlink(), html.stat().st_mode & 0o777) == (html, 0o640)
    assert words(html.read_text("utf-8")) == words(link.read_text("utf-8"))
    for other in (nowhere, circle):
        refused = command.run("reembed", "report", "--html", other)
        assert (refused.code, "is no report of ours" in refused.error) == (64, True)
        assert other.is_symlink()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("m.db", "belongs to the database"),
        ("m.db-wal", "database"),
        ("nowhere/f.html", "has no folder"),
        (".", "is there, and is no report of ours"),
        ("-", "is no file"),
    ],
)
def test_a_report_is_not_written_where_something_else_is_or_nothing_can_be(
    command: Command, tmp_path: Path, name: str, why: str
) -> None:
    before = files.vectors(command.db)

    refused = command.run("reembed", "report", "--html", name if name == "-" else tmp_path / name)

    assert refused.code == 64
    assert why in refused.error
    assert files.vectors(command.db) == before


def test_a_program_is_told_where_the_page_is(command: Command, html: Path) -> None:
    answer = command.run("reembed", "report", "--html", html, "--json")

    assert answer.json == {"html": str(html), "bytes": len(html.read_bytes()), "run_id": 1}
    assert html.read_text("utf-8").startswith(MARK)
    assert json.dumps(answer.json)


def test_a_page_is_written_while_a_run_works(command: Command, endpoint: FakeEndpoint, html: Path) -> None:
    endpoint.change(model="new", weights="new", latency=0.2)
    other = Command(command.db, remote(endpoint))
    process = other.start("reembed", "--batch", "2", "--concurrency", "1")
    wait_for(lambda: written(other) >= 2)

    shown = told(other, html)
    kill(process, signal.SIGKILL)

    assert "At work." in shown
    assert re.search(r"\d+ s \d+ at work", shown)


def test_matplotlib_that_is_missing_is_named_before_anything_is_read(
    command: Command, html: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['matplotlib'] = None\n", "utf-8")
    without = Command(command.db, {**command.env, "PYTHONPATH": str(tmp_path)})

    answer = without.run("reembed", "report", "--html", html)

    assert answer.code == 64
    assert answer.error.startswith(
        "reembed report needs a library that is not installed: matplotlib. Type: pip install"
    )
    assert not html.exists()


def test_matplotlib_that_is_broken_is_told_in_one_line(command: Command, html: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise AttributeError('numpy has no longer\\nany bool8')\n")
    broken = Command(command.db, {**command.env, "PYTHONPATH": f"{tmp_path}:{ROOT}"})

    answer = broken.run("reembed", "report", "--html", html)

    assert (answer.code, html.exists()) == (64, False)
    assert answer.error == (
        "reembed report needs matplotlib, which is installed and cannot be loaded (AttributeError: numpy has no longer "
        'any bool8). Type: pip install --force-reinstall "matplotlib>=3.10.8"'
    )
