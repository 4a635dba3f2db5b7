"""Draws an account as SVG that stands inside a page with a strict policy; the only user of matplotlib.

matplotlib knows axes, ticks of time and layout. What it writes has its looks in style attributes, which the policy
forbids; so they become attributes of SVG's own, and colours classes of the page, which has them for light and for dark.
A figure is as wide as a phone shows without making its letters smaller.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from ai_memory.show.libraries import require
from ai_memory.show.page import COLOURS
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ai_memory.reembed.inspect.account import Lengths
    from ai_memory.reembed.inspect.neighbours import Neighbours
    from ai_memory.reembed.inspect.pace import Pace, Stretch

INSTALL = 'Type: pip install "matplotlib>=3.10.8"'
SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
WIDTH = 5.0
"""Inches of 72 of the figure's units."""
PARTS = 80
"""Steps of the curve of the rate, about."""
LONGEST_NAME = 22
CLASSES = {name: f"#{number:02}0000" for number, name in enumerate(COLOURS, start=1)}
"""Classes of the page, and the colours that stand for them while it is drawn."""
BY_COLOUR = {colour: name for name, colour in CLASSES.items()}
NOT_SVGS = frozenset({"font-family", "stroke-linejoin", "stroke-linecap", "font"})
STYLE: Mapping[Any, object] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "text.color": CLASSES["ink"],
    "axes.labelcolor": CLASSES["faint"],
    "axes.edgecolor": CLASSES["grid"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelsize": 9,
    "grid.color": CLASSES["grid"],
    "grid.linewidth": 0.6,
    "xtick.color": CLASSES["faint"],
    "ytick.color": CLASSES["faint"],
}


def require_installed() -> None:
    """Check that matplotlib is there.

    Raises:
        UsageError: it is not, or cannot be loaded.
    """
    modules = ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_svg")
    require("reembed report", "matplotlib", INSTALL, *modules)


def draw_pace(pace: Pace) -> str:
    """Return the rows that are done and the rate, by time, with pauses and outages."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        above.plot(_times([at for at, _ in pace.curve]), [rows for _, rows in pace.curve], color=CLASSES["done"])
        for stretch, rate in pace.rates(PARTS):
            edges = _times((stretch.began, stretch.ended))
            below.fill_between(edges, [rate, rate], color=CLASSES["done"], alpha=0.8, linewidth=0)
        for axes in (above, below):
            _shade(axes, pace.pauses, "pause")
            _shade(axes, pace.outages, "outage")
            axes.set_ylim(bottom=0)
            axes.grid(visible=False, axis="x")
        above.set_ylabel("rows written")
        below.set_ylabel("rows/s")
        _name_times(below)

    return _drawn(draw, 3.2, "Rows written and rows per second, by time")


def draw_namespaces(names: Sequence[str], parts: Mapping[str, Sequence[int]]) -> str:
    """Return a bar for each of `names`, put together of `parts`: by their class, the rows of each name."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        before = [0] * len(names)
        for name, sizes in parts.items():
            axes.barh(range(len(names)), sizes, left=before, color=CLASSES[name], height=0.7)
            before = [one + other for one, other in zip(before, sizes, strict=True)]
        axes.set_yticks(range(len(names)), [one_line(each, most=LONGEST_NAME) for each in names])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=CLASSES["ink"])
        _count_by(axes.xaxis, "rows")

    return _drawn(draw, 0.75 + 0.26 * len(names), "Rows by namespace")


def draw_lengths(lengths: Lengths) -> str:
    """Return how many texts are how long, and where the model stops to read."""
    first, last = min(lengths.by_power), max(lengths.by_power)
    powers = range(first, last + 1)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.bar(powers, [lengths.by_power.get(power, 0) for power in powers], color=CLASSES["done"], width=0.86)
        axes.set_xticks(powers, [_short((1 << power) // 2) for power in powers])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("tokens, from")
        _count_by(axes.yaxis, "texts")
        if lengths.limit and first - 0.5 < (place := _on_axis(lengths.limit)) < last + 0.5:
            axes.axvline(place, color=CLASSES["limit"], linewidth=1.4, linestyle=(0, (4, 3)))

    return _drawn(draw, 2.3, "Texts by their length in tokens")


def draw_neighbours(neighbours: Neighbours) -> str:
    """Return how many rows have how many of their nearest in common before and after."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        numbers = range(len(neighbours.shared))
        axes.bar(numbers, neighbours.shared, color=CLASSES["done"], width=0.86)
        axes.set_xticks(numbers)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("of the ten nearest, the same before and after")
        _count_by(axes.yaxis, "rows")

    return _drawn(draw, 2.2, "Rows by the number of nearest rows that stayed")


def _short(number: int) -> str:
    return f"{number // 1024:,}k" if number >= 1024 else str(number)


def _on_axis(tokens: int) -> float:
    """Return where so many tokens lie on an axis whose bar n goes from 2 ** (n - 1) to 2 ** n, n in its middle."""
    power = tokens.bit_length()
    return power - 0.5 + tokens / (1 << (power - 1)) - 1


def _times(instants: Sequence[int]) -> list[datetime]:
    return [datetime.fromtimestamp(at / 1000, tz=UTC) for at in instants]


def _shade(axes: Axes, stretches: Sequence[Stretch], name: str) -> None:
    for each in stretches:
        began, ended = _times((each.began, each.ended))
        axes.axvspan(began, ended, color=CLASSES[name], linewidth=0, zorder=0.5)  # type: ignore[arg-type]


def _name_times(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=6, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.set_xlabel("time (UTC)")


def _count_by(axis: object, words: str) -> None:
    from matplotlib.axis import Axis
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    if isinstance(axis, Axis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.set_label_text(words)


def _drawn(draw: Callable[[Figure], None], height: float, title: str) -> str:
    """Return a figure as the text of an <svg> element."""
    # It would tell on stderr that it makes a list of fonts, or has no letter for a name: nobody needs to know.
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    written = io.BytesIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _plain(ET.fromstring(written.getvalue()), title)  # noqa: S314 - it was written just now


def _plain(root: ET.Element, title: str) -> str:
    """Return the element without what a page forbids or has itself."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    referred = {each.get(f"{{{LINK}}}href", "").removeprefix("#") for each in root.iter()}
    for each in root.iter():
        _restyle(each)
        if each.tag == f"{{{SVG}}}g" or (each.tag == f"{{{SVG}}}path" and each.get("id") not in referred):
            each.attrib.pop("id", None)
    for name in ("width", "height"):
        root.attrib.pop(name)
    root.attrib.update({"role": "img", "aria-label": title})
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", LINK)
    return ET.tostring(root, encoding="unicode")


def _restyle(element: ET.Element) -> None:
    """Turn the style of an element into attributes, and its colours into classes."""
    found = _declared(element.attrib.pop("style", ""))
    classes = [f"{name}-{kind}" for name in ("fill", "stroke") if (kind := BY_COLOUR.get(found.get(name, "")))]
    for name, value in found.items():
        if name not in NOT_SVGS and value not in BY_COLOUR:
            element.set(name, value)
    if classes:
        element.set("class", " ".join(classes))


def _declared(style: str) -> Mapping[str, str]:
    pairs = (each.split(":", 1) for each in style.split(";") if ":" in each)
    return {name.strip(): value.strip() for name, value in pairs}
