"""The parts of the page of an account, each as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai_memory.reembed.inspect.bound import bound_in_words
from ai_memory.reembed.inspect.why import why
from ai_memory.show import plots
from ai_memory.show.page import Whole, key, paragraph, sides, table
from ai_memory.stores.values import ASKED_AT_END, LastEnd
from ai_memory.text.amounts import counted, money, size, span
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.reembed.inspect.account import Account, Lengths
    from ai_memory.reembed.inspect.pace import Start
    from ai_memory.reembed.inspect.status import Status

MOST_NAMESPACES, MOST_BARS, MOST_STARTS, MOST_QUARANTINED = 20, 12, 30, 20
"""What a page shows of each."""
KINDS = {
    "empty": "there is nothing to embed",
    "oversize": "too long to be sent",
    "undecodable": "the text cannot be read",
    "undecryptable": "the text is encrypted",
    "refused": "the endpoint refused it",
    "unwritable": "the database refused the vector",
}
NOT_MOVED = {"switched": "switched, nothing moved yet", "begun": "begun, nothing put back yet"}
"""Ends of starts that did all that was asked of them, and left the rest to another one."""
COMPLETE = {0: "complete", 10: "complete but for rows in quarantine"}
NO_RATE = "When rows were written was not noted: an earlier release ran this run."
NO_PRICE = "no price is configured"
MEANING = (
    "A row's neighbours are the ten rows most like it. Where few of them stay, search answers otherwise than before; "
    "whether better or worse this does not say. The command evaluate does, where somebody judged what is right."
)


def space_words(space: str | None, dim: int | None) -> str:
    """Return the words for a space and its width."""
    name = space.removesuffix("#none") if space else "without a stamp"
    return f"{name}, {dim} numbers" if dim else name


def is_unpriced(status: Status) -> bool:
    """Return whether nobody can say what a run cost: no price is configured, or no tokens were reported."""
    return status.cost is None or has_untold_tokens(status)


def has_untold_tokens(status: Status) -> bool:
    """Return whether texts were sent, and no answer said how many tokens they are."""
    counters = status.run.counters
    return counters.texts_sent > 0 and not counters.tokens


def change_parts(status: Status) -> Iterator[str]:
    """Yield what stood there before and what does now."""
    run = status.run
    if run.undoes:
        numbers = (
            f"run {run.undoes.first}"
            if len(run.undoes.numbers) == 1
            else f"runs {run.undoes.first} to {run.undoes.last}"
        )
        yield paragraph(f"This run put back what {numbers} replaced. Nothing was sent.")
        return
    before = [(space_words(space, dim), rows) for space, dim, rows in status.replaced]
    after = [(space_words(status.target.space, status.target.dim), status.done)]
    yield sides(
        table(("When it began: vectors", "rows"), before)
        if before
        else paragraph("Before it no row had a vector, or it was not noted."),
        table((f"Now: {run.target_model}", "rows"), after),
    )
    counters = run.counters
    if counters.asked_again > counters.disagreed and counters.sent_for:
        agreed, over = counters.asked_again - counters.disagreed, run.state in ASKED_AT_END
        yield paragraph(bound_in_words(agreed, counters.sent_for, over=over))
    if run.kept.rows:
        undone = bool(status.way_back and run.run_id in status.way_back.numbers)
        way_back = " To put it back: ai-memory reembed rollback" if undone else ""
        kept = f"What stood in {counted(run.kept.rows, 'row')} before is kept (about {size(run.kept.on_disk)})."
        yield paragraph(kept + way_back)


def time_parts(account: Account) -> Iterator[str]:
    """Yield the rate by time, and the starts."""
    yield sides(_drawn_time(account), "".join(_starts(account)))


def _drawn_time(account: Account) -> str:
    pace = account.pace
    if not pace.points:
        return paragraph(NO_RATE)
    shown = {"done": "written"}
    shown |= {"pause": "nobody worked on it"} if pace.pauses else {}
    shown |= {"outage": "the endpoint was away"} if pace.outages else {}
    return f"{plots.draw_pace(pace)}{key(**shown)}"


def _starts(account: Account) -> Iterator[str]:
    pace = account.pace
    if pace.outages:
        away = sum(each.ms for each in pace.outages)
        yield paragraph(f"The endpoint was away {span(away)} in all, in {counted(len(pace.outages), 'outage')}.")
    if not pace.starts:
        return
    shown = pace.starts[-MOST_STARTS:]
    if more := len(pace.starts) - len(shown):
        yield paragraph(f"{counted(more, 'earlier start is', 'earlier starts are')} not shown.", "faint")
    yield table(("begun", "worked", "rows", "ended"), [_start(each) for each in shown])


def _start(start: Start) -> tuple[str, str, str, str]:
    rows = "not noted" if start.rows is None else f"{start.rows:,}"
    return (
        Whole(instant(start.worked.began)[:16].replace("T", " ")),
        Whole(span(start.worked.ms)),
        Whole(rows),
        _end(start),
    )


def _end(start: Start) -> str:
    if start.exit_code is None:
        # A release that noted no rows noted no ends.
        ended = "not noted" if start.rows is None else "killed, or its machine went down"
        return "at work" if start.at_work else ended
    if start.exit_code == 0 and start.reason in NOT_MOVED:
        return NOT_MOVED[start.reason]
    if start.exit_code in COMPLETE:
        return COMPLETE[start.exit_code]
    return why(LastEnd(start.worked.ended, start.exit_code, start.reason, 1))


def namespace_parts(account: Account) -> Iterator[str]:
    """Yield how far the rows of each namespace are."""
    census = account.status.census
    if census is None:
        yield paragraph("A run that puts old vectors back is not judged by its rows.")
        return
    aside = Counter(each.entry.namespace for each in account.quarantined)
    found = sorted(census.live_by_namespace.items(), key=lambda each: (-each[1], each[0]))
    rows = [
        (name, live, live - census.stale_by_namespace[name] - aside[name], census.stale_by_namespace[name], aside[name])
        for name, live in found
    ]
    if not rows:
        yield paragraph("There are no rows.")
        return
    bars = rows[:MOST_BARS]
    parts = {
        "done": [row[2] for row in bars],
        "stale": [row[3] for row in bars],
        "quarantined": [row[4] for row in bars],
    }
    drawn = plots.draw_namespaces([row[0] for row in bars], parts)
    told = key(done="new vector", stale="not yet, or edited since", quarantined="in quarantine")
    rest = rows[MOST_NAMESPACES:]
    shown = rows[:MOST_NAMESPACES]
    if rest:
        sums = [sum(row[place] for row in rest) for place in (1, 2, 3, 4)]  # type: ignore[misc]
        shown = [*shown, (f"{len(rest):,} more", sums[0], sums[1], sums[2], sums[3])]
    yield sides(f"{drawn}{told}", table(("namespace", "rows", "done", "stale", "quarantined"), shown))


def length_parts(lengths: Lengths | None) -> Iterator[str]:
    """Yield how long texts are."""
    if lengths is None:
        yield paragraph("No row has a text.")
        return
    counted_by = "counted by the model's tokenizer" if lengths.exact else "estimated: four bytes a token"
    told = [f"{counted(lengths.rows, 'text')} of {lengths.tokens:,} tokens in all ({counted_by})."]
    if not lengths.limit:
        told.append("How much of a text the model reads is not known here.")
    elif lengths.truncated:
        lost = 100 * lengths.lost / lengths.tokens
        told.append(
            f"The model reads {lengths.limit:,} tokens of a text. "
            f"{counted(lengths.truncated, 'text is', 'texts are')} longer: {lost:.1f} % of all tokens have no effect."
        )
    else:
        told.append(f"The model reads {lengths.limit:,} tokens of a text: all of them are read to the end.")
    mark = key(done="texts", limit="what the model reads") if lengths.limit else ""
    yield sides(f"{plots.draw_lengths(lengths)}{mark}", "".join(map(paragraph, told)))


def quarantine_parts(account: Account) -> Iterator[str]:
    """Yield which rows got no vector of the run, and why."""
    if account.status.run.undoes:
        yield paragraph("A run that puts old vectors back gives no row a new one.")
        return
    found = account.quarantined
    if not found:
        yield paragraph("None: every row that was met got its vector.")
        return
    kinds = Counter(each.entry.kind for each in found)
    yield table(("reason", "rows"), [(KINDS.get(kind, kind), rows) for kind, rows in kinds.most_common()])
    yield paragraph(
        "Each keeps what it had before, an old vector or none. An edit of the text, or --retry-quarantined, has it "
        "tried again."
    )
    shown = [
        (each.title or each.entry.id, each.entry.namespace, each.entry.message) for each in found[:MOST_QUARANTINED]
    ]
    yield table(("title", "namespace", "what was said"), shown)
    if more := len(found) - len(shown):
        yield paragraph(f"{more:,} more: ai-memory reembed quarantine", "faint")


def neighbour_parts(account: Account) -> Iterator[str]:
    """Yield how far neighbours stayed the same."""
    found = account.neighbours
    if found is None:
        yield paragraph(account.why_no_neighbours)
        return
    shares = f"{100 * found.overlap:.0f} %, by lot {100 * found.by_chance:.0f} %"
    told = (
        f"In {counted(found.rows, 'row')} drawn by lot, on average {10 * found.overlap:.1f} of the ten nearest are the "
        f"same by the old vectors and by the new ones ({shares})."
    )
    yield sides(plots.draw_neighbours(found), paragraph(told) + paragraph(MEANING, "faint"))


def cost_parts(status: Status) -> Iterator[str]:
    """Yield what was sent, and what it cost."""
    counters = status.run.counters
    if status.run.undoes:
        yield paragraph("Nothing was sent.")
        return
    cost = NO_PRICE if status.cost is None else "not known" if is_unpriced(status) else money(status.cost)
    rows = [
        ("texts sent", f"{counters.texts_sent:,}"),
        ("of them sent twice after a kill, at most", f"{counters.texts_sent_twice:,}"),
        ("rows that needed no request: the text of another row", f"{counters.identical:,}"),
        ("rows that needed no request: a vector that was kept", f"{counters.taken_again:,}"),
        ("requests", f"{counters.requests:,}"),
        ("of them sent once more after a failure", f"{counters.retries:,}"),
        ("tokens that the endpoint reported", f"{counters.tokens:,}" if counters.tokens else "none"),
        ("cost at the price that is configured now", cost),
    ]
    yield table(("", ""), rows)
    if status.run.computing:
        yield paragraph(f"Computed by {status.run.computing.line()}.")
