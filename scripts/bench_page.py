"""What scripts/bench measured, as tables in Markdown and as a plot in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

Found = Mapping[str, Any]
MARKS = ("<!-- scripts/bench writes from here -->", "<!-- to here -->")
NAMES = {
    "loop": "the loop people write",
    "encode": "one `encode` of all texts",
    "sqlite": "bare UPDATEs, nothing computed",
    "help": "`ai-memory --help`",
}
LIBRARIES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
WANTED_OF = 7_500
WIDTH, LABELS, RIGHT, BAR, STEP = 780, 310, 70, 16, 24
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .note { fill: #59636e }
.ours { fill: #1a7f64 } .alone { fill: #9fd0c2 } .other { fill: #9aa4af } .range { stroke: #1f2328 }
.peak { stroke: #b3261e; stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #9198a1 } .range { stroke: #e6edf3 }
.ours { fill: #3fb68f } .alone { fill: #24614f } .other { fill: #656d76 } .peak { stroke: #ff8a80 }
}
"""


def takes(page: Path) -> bool:
    """Return whether a page has the marks between which figures are written."""
    text = page.read_text("utf-8") if page.is_file() else ""
    return all(text.count(mark) == 1 for mark in MARKS)


def put(page: Path, text: str) -> None:
    """Write a text between the marks of a page."""
    before, _, rest = page.read_text("utf-8").partition(MARKS[0])
    page.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")


def tables(found: Found) -> str:
    """Return the tables, and on what they were measured."""
    of_rows = [speed(found, name) for name in found["took"] if not waited_for(name)]
    peak = ("a product of matrices in numpy", "", "", f"{max(found['peak']) / 1e9:.0f}", "", "")
    heads = ("", "rows/s", "tokens/s", "useful GFLOP/s", "ms of processors per row", "seconds of a single row")
    waits = ("", f"seconds, of {found['recall_rows']:,} rows", f"wanted at most, of {WANTED_OF:,} rows")
    filling = ", ".join(f"{shown(name)} {part:.1%}" for name, part in found["padding"].items())
    parts = (
        measured_on(found),
        table(heads, [*of_rows, peak]),
        "Of all turns the median (lowest to highest); bold where what is wanted is reached.\n",
        compared(found),
        f"Of what it computes, so much only fills texts up: {filling}.\n",
        table(waits, [waiting(found, name) for name in found["took"] if waited_for(name)]),
    )
    return "\n".join(parts)


def measured_on(found: Found) -> str:
    """Return the sentence that says on what, of what and when."""
    flags = f" ({', '.join(found['flags'])})" if found["flags"] else ""
    libraries = ", ".join(found["engines"].values())
    others = "" if found["others"] is None else f" of which others used {found['others']:.0%}"
    sizes = f"--rows {found['rows']} --recall-rows {found['recall_rows']} --runs {found['turns']}"
    return (
        f"{found['processor']}{flags}, {found['cores']} cores{others}; {found['date']}; Python {found['python']},"
        f" {libraries}. {found['tokens']:,} tokens; medians of {found['turns']} turns: `scripts/bench {sizes}`.\n"
    )


def speed(found: Found, name: str) -> tuple[str, ...]:
    """Return the cells of what was done with all rows."""
    took, rows = found["took"][name], found["rows"]
    tokens, flops = (0, 0) if name == "sqlite" else (found["tokens"], found["flops"])
    computed = [f"{tokens / took['median']:,.0f}", f"{flops / took['median'] / 1e9:.0f}"] if tokens else ["", ""]
    start = f"{median(took['start']):.1f}" if took["start"] else ""
    spent = f"{1000 * median(took['processors']) / rows:.2f}"
    return shown(name), f"{rows / took['median']:,.1f}", *computed, spent, start


def compared(found: Found) -> str:
    """Return the table of ratios: a line for each way to compute."""
    heads = list(dict.fromkeys(head for each in found["ratios"].values() for head in each))
    wanted = {head: each["wanted"] for ratios in found["ratios"].values() for head, each in ratios.items()}
    rows = []
    for name, ratios in found["ratios"].items():
        rows.append([shown(name), *(judged(ratios[head]) if head in ratios else "" for head in heads)])
        busy = [ratios.get(head, {}).get("processors") for head in heads]
        rows.append(["by processors' time", *(f"{each:.2f}" if each else "" for each in busy)])
    return table(
        ["times as fast as", *heads], [["wanted at least", *(str(wanted[head] or "") for head in heads)], *rows]
    )


def judged(ratio: Found) -> str:
    """Return a ratio for people."""
    middle, wanted = ratio["median"], ratio["wanted"]
    shown_as = f"**{middle:.2f}**" if wanted and middle >= wanted else f"{middle:.2f}"
    return f"{shown_as} ({min(ratio['pairs']):.2f} to {max(ratio['pairs']):.2f})"


def waiting(found: Found, name: str) -> tuple[str, ...]:
    """Return the cells of a command that somebody waits for."""
    took = found["took"][name]
    middle, wanted = took["median"], took["wanted"]
    reached = wanted and middle <= wanted and found["recall_rows"] >= WANTED_OF
    shown_as = f"**{middle:.2f}**" if reached else f"{middle:.2f}"
    return shown(name), f"{shown_as} ({min(took['seconds']):.2f} to {max(took['seconds']):.2f})", str(wanted or "")


def waited_for(name: str) -> bool:
    """Return whether it is a command of which the seconds count, and not its rows."""
    return name.startswith(("recall", "help"))


def shown(name: str) -> str:
    """Return what people call it."""
    if name in NAMES:
        return NAMES[name]
    *which, kind, engine = name.split()
    said = "its passes alone" if kind == "engine" else f"`ai-memory {kind}`"
    return f"{said}, {LIBRARIES[engine]}{', the second command' * bool(which)}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: median, lowest and highest of what it shows."""

    label: str
    kind: str
    values: Sequence[float]


def plot(found: Found) -> str:
    """Return an SVG: tokens a second under the peak, and the seconds of starts."""
    per_second = [
        Bar(shown(name), kind_of(name), [found["tokens"] / each for each in took["seconds"]])
        for name, took in found["took"].items()
        if name != "sqlite" and not waited_for(name)
    ]
    seconds = [
        Bar(f"{shown(name)}, one row", kind_of(name), took["start"])
        for name, took in found["took"].items()
        if took["start"]
    ] + [Bar(shown(name), kind_of(name), took["seconds"]) for name, took in found["took"].items() if waited_for(name)]
    peak = max(found["peak"]) * found["tokens"] / found["flops"]
    upper, height = panel("tokens per second (higher is better)", per_second, 28, peak)
    lower, height = panel("seconds from the shell to the end (lower is better)", seconds, height + 28, 0.0)
    title = f"{found['rows']:,} rows on {found['processor']}, {found['cores']} cores, {found['date']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 4}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n" + "".join([*upper, *lower]) + "</svg>\n"
    )


def kind_of(name: str) -> str:
    """Return the class of a bar: ours, an engine by itself, or what is not ours."""
    return {"loop": "other", "encode": "other"}.get(name, "alone" if name.startswith("engine") else "ours")


def panel(title: str, bars: Sequence[Bar], top: int, peak: float) -> tuple[list[str], int]:
    """Return the parts of bars one below the other, and where they end; `peak` is drawn as a line where it is not 0."""
    longest = max([peak, *(max(bar.values) for bar in bars)])
    scale = (WIDTH - LABELS - RIGHT) / longest
    parts, bottom = [f'<text class="title" x="0" y="{top - 10}">{escape(title)}</text>\n'], top + STEP * len(bars)
    for number, bar in enumerate(bars):
        y, (least, middle, most) = top + STEP * number, (f(bar.values) for f in (min, median, max))
        parts += [
            f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(bar.label.replace("`", ""))}</text>\n',
            f'<rect class="{bar.kind}" x="{LABELS}" y="{y}" width="{middle * scale:.1f}" height="{BAR}"/>\n',
            f'<path class="range" d="M{LABELS + least * scale:.1f} {y + 8}H{LABELS + most * scale:.1f}"/>\n',
            f'<text x="{LABELS + most * scale + 6:.1f}" y="{y + 13}">{number_of(middle)}</text>\n',
        ]
    if peak:
        x = LABELS + peak * scale
        parts += [
            f'<path class="peak" d="M{x:.1f} {top - 4}V{bottom}"/>\n',
            f'<text class="note" x="{x:.1f}" y="{top - 10}" text-anchor="end">matrices {number_of(peak)}</text>\n',
        ]
    return parts, bottom


def number_of(value: float) -> str:
    """Return a number as it stands beside a bar."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
