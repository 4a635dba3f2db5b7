"""The frame of a page that stands by itself: its head with a policy that lets nothing in, its looks, tables, escapes.

Whatever is told of a file may have been written to attack whoever reads it. All text goes through `text`, which is the
only way to one here, and the policy has no place for a script, or for anything that is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

from ai_memory.errors import StorageFailed
from ai_memory.memory.text_codec import printable
from ai_memory.show.marked_file import begins_with
from ai_memory.text.cleaning import one_line

MARK = "<!DOCTYPE html>\n<!-- ai-memory reembed report -->\n"
"""What every page of ours begins with."""
COLOURS = ("ink", "faint", "grid", "done", "stale", "quarantined", "pause", "outage", "limit")
"""What a page and its plots have a colour for, in light and in dark."""
LOOKS = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #ffffff; --ink: #1d2226; --faint: #5c656d; --grid: #dcdad3;
    --done: #2b6c9e; --stale: #c3b79c; --quarantined: #b5482a; --pause: #ecebe6; --outage: #f4c9bb; --limit: #8a2be2; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181b; --card: #1d2125; --ink: #e6e8ea; --faint: #9aa4ad;
    --grid: #363c42; --done: #62a9dd; --stale: #6d664f; --quarantined: #e58463; --pause: #2a2f34; --outage: #4d2b23;
    --limit: #c39bf5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.2rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .6rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; } .lead { font-size: 1.1rem; } .faint, caption { color: var(--faint); }
section, .tile { background: var(--card); border: 1px solid var(--grid); border-radius: .6rem; padding: 1rem; }
section { margin-top: 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1rem 0; }
.tile b { display: block; font-size: 1.35rem; line-height: 1.3; } .tile span { color: var(--faint); font-size: .85rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1rem 1.6rem; }
.sides > * { min-width: 0; } .wide { overflow-x: auto; }
svg { display: block; width: 100%; max-width: 34rem; height: auto; font-family: system-ui, sans-serif; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
th { color: var(--faint); font-weight: 500; } td { overflow-wrap: anywhere; min-width: 6.5rem; }
td.number, td.whole { min-width: 0; white-space: nowrap; } .number { text-align: right; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; font-size: .85rem; color: var(--faint); margin: .3rem 0; }
.key i { display: inline-block; width: .9rem; height: .9rem; margin-right: .35rem; border-radius: .15rem;
    vertical-align: -.1rem; }
@media (max-width: 30rem) { table { font-size: .8rem; } th, td { padding-right: .45rem; } td { min-width: 5rem; } }
""" + "\n".join(
    f".fill-{name} {{ fill: var(--{name}); }} .stroke-{name} {{ stroke: var(--{name}); }} "
    f".is-{name} {{ background: var(--{name}); }}"
    for name in COLOURS
)
MOST_CELL = 160


class Whole(str):
    """A text that is not broken across lines."""

    __slots__ = ()


Number = int | float


def is_ours(path: Path) -> bool:
    """Return whether a file is a page that we wrote; not where it cannot be read."""
    return begins_with(path, MARK.encode())


def put(path: Path, page: bytes) -> None:
    """Put a page in place of the file at `path`, or that it links to, all at once.

    A new one only its owner can read, as it holds titles; one that is replaced keeps its rights.

    Raises:
        StorageFailed: it cannot be written.
    """
    try:
        _put(Path(os.path.realpath(path)), page)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.", tip="Give --html another file.") from error


def _put(path: Path, page: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            with suppress(FileNotFoundError):
                _take_rights(file.fileno(), path.stat())
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _take_rights(descriptor: int, found: os.stat_result) -> None:
    with suppress(PermissionError):
        os.fchown(descriptor, found.st_uid if os.geteuid() == 0 else -1, found.st_gid)
    # What a group may do is meant for that group, and not for another one.
    same_group = os.fstat(descriptor).st_gid == found.st_gid
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & (0o777 if same_group else 0o707))


def text(told: str) -> str:
    """Return a text for the page, with nothing hidden in it."""
    return escape(printable(told))


def cell(told: str) -> str:
    """Return what others said, on one line and not too long."""
    return text(one_line(told, most=MOST_CELL))


def page(title: str, *parts: str) -> str:
    """Return the whole page; `parts` are HTML, `title` is text."""
    digest = base64.b64encode(hashlib.sha256(LOOKS.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        f'{MARK}<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>{LOOKS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, parts))
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a part of the page; `parts` are HTML, `title` is text."""
    return f"<section>\n<h2>{text(title)}</h2>\n" + "\n".join(filter(None, parts)) + "\n</section>"


def paragraph(told: str, kind: str = "") -> str:
    """Return a paragraph of text."""
    return f'<p class="{kind}">{text(told)}</p>' if kind else f"<p>{text(told)}</p>"


def sides(*parts: str) -> str:
    """Return what stands side by side where there is room; `parts` are HTML."""
    return '<div class="sides">' + "".join(f"<div>{each}</div>" for each in parts if each) + "</div>"


def tiles(figures: Iterable[tuple[str, str, str]]) -> str:
    """Return figures that are seen first: of each what it is, the figure, and a word on it."""
    each_one = (
        f'<div class="tile"><span>{text(name)}</span><b>{text(figure)}</b><span>{text(words)}</span></div>'
        for name, figure, words in figures
    )
    return '<div class="tiles">' + "".join(each_one) + "</div>"


def key(**words: str) -> str:
    """Return what the colours of a plot mean, by their classes."""
    return (
        '<p class="key">'
        + "".join(f'<span><i class="is-{kind}"></i>{text(told)}</span>' for kind, told in words.items())
        + "</p>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str | Number]]) -> str:
    """Return a table; numbers stand to the right."""
    names = list(rows)
    right = [bool(names) and isinstance(names[0][place], Number) for place in range(len(head))]
    first = "".join(
        f"<th{' class=number' if each else ''}>{text(name)}</th>" for name, each in zip(head, right, strict=True)
    )
    body = "".join("<tr>" + "".join(map(_td, row)) + "</tr>\n" for row in names)
    return f'<div class="wide"><table>\n<tr>{first}</tr>\n{body}</table></div>'


def _td(value: str | Number) -> str:
    if isinstance(value, str):
        return f'<td class="whole">{cell(value)}</td>' if isinstance(value, Whole) else f"<td>{cell(value)}</td>"
    return f'<td class="number">{value:,}</td>'
