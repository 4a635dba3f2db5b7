"""What a hint names as enough of a limit lets the next row through, whatever the rows are and whatever went before."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_memory.embed.assemble import threads
from ai_memory.embed.flow.documented import DocumentedLimits
from ai_memory.embed.flow.request_size import RequestSize
from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.flow.token_budget import UNREPORTED, BudgetedEmbedder, TokenBudget
from ai_memory.embed.port import ONE_ATTEMPT, TokenLimit
from ai_memory.errors import UsageError
from ai_memory.reembed.doubt import MOST
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.sweep.inherited import inherited
from ai_memory.reembed.sweep.needed import Start, unknown
from ai_memory.reembed.sweep.schedule import SMALL, Schedule
from ai_memory.reembed.sweep.worker import answer
from tests.reembed.finish.test_rollback import rollback
from tests.reembed.sweep.test_inherited import Killed
from tests.reembed.work import Work, known
from tests.support import files
from tests.support.fakes import HashEmbedder

AMOUNTS = re.compile(r"[0-9][0-9,]*")
GIVE = re.compile(r"Give --max-tokens ([0-9]+) or more")


@dataclass(frozen=True, slots=True)
class Limited:
    """One start with a limit of tokens: what it came to, what it spent, and what it names as the next limit."""

    report: RunReport | None
    spent: int
    names: int


def exactly(text: str) -> int:
    """Return what a text costs where nothing is reported, as the target's own tokenizer would know it."""
    return ceil(UNREPORTED * len(text.encode()))


def limited(
    work: Work,
    limit: int,
    *,
    exact: bool = False,
    **flags: Any,  # noqa: ANN401 - fields of Options
) -> tuple[Job, TokenBudget]:
    """Return a job as the command line makes it with so many tokens allowed, and what counts them."""
    work.embedder = HashEmbedder()
    spending = TokenBudget(work.embedder.meter, TokenLimit(limit), count_tokens=exactly if exact else None)
    retrying = RetryingEmbedder(BudgetedEmbedder(work.embedder, spending), stop=Event(), retry_policy=ONE_ATTEMPT)
    embedder = SplittingEmbedder(retrying, RequestSize(DocumentedLimits()), spending)
    job = work.job(**flags)
    workers = partial(threads, embedder, partial(answer, stop=work.stop))
    return replace(job, tools=replace(job.tools, embedder=embedder, workers=workers, spending=spending)), spending


def start(work: Work, limit: int, *, exact: bool = False, **flags: Any) -> Limited:  # noqa: ANN401 - fields of Options
    """Start as the command line does with so many tokens allowed; `exact`: what texts cost is known beforehand."""
    job, spending = limited(work, limit, exact=exact, **flags)
    try:
        report = job.run()
    except UsageError as error:
        return Limited(None, spending.spent, int(GIVE.findall(error.tip)[0]))
    return Limited(report, spending.spent, max(limit, report.tokens_needed))


def made(folder: Path, sizes: Sequence[int]) -> Work:
    work = Work(files.create(folder / "m.db", len(sizes)))
    for number, size in enumerate(sizes):
        files.edit(work.path, f"id-{number:03}", f"{number} ".ljust(size, "x"))
    return work


def approve(work: Work) -> None:
    with work.store() as store, store.transaction() as transaction:
        target = work.embedder.target
        transaction.operator.approve(target.space, target.dim, by="a test", how="a test", now_ms=work.clock.ms)


def undo(work: Work) -> None:
    """Do all, and undo it, so that every vector is kept."""
    assert work.run().exit_code == 0
    assert rollback(work).exit_code == 0
    approve(work)


def kill(work: Work, after: int) -> None:
    """End an invocation without a limit as SIGKILL does, at its request number `after`."""
    requests = 0

    def count(texts: Sequence[str]) -> None:
        nonlocal requests
        del texts
        requests += 1
        if requests > after:
            raise Killed

    work.embedder = HashEmbedder(before=count)
    with suppress(Killed):
        work.run(batch=2)
    work.clock.ms += 3_600_000


def follow(work: Work, limit: int, *, rows: int, **flags: Any) -> None:  # noqa: ANN401 - fields of Options
    """Start with a limit and do as is told until all is done; each start that was told of must do a row."""
    done = start(work, limit, resume=True, or_start=True, yes=True, **flags)
    for _ in range(rows + 2):
        assert done.spent <= (limit if done.report else 0)
        if done.report and done.report.exit_code == 0:
            break
        limit = done.names
        done = start(work, limit, resume=True, or_start=True, yes=True, **flags)
        assert done.report, limit
        assert done.report.exit_code == 0 or done.report.reembedded > 0, (limit, done)
    work.embedder = HashEmbedder()
    assert work.all_right()


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=12),
    order=st.sampled_from(
        [list, sorted, lambda sizes: sorted(sizes, reverse=True), lambda sizes: [sizes[0]] * len(sizes)]
    ),
    batch=st.sampled_from([1, 5, 500]),
    max_rows=st.sampled_from([None, 1, 3]),
    limit=st.integers(1, 20_000),
    killed=st.sampled_from([0, 0, 5, 8, 12]),
    exact=st.booleans(),
)
def test_what_is_named_is_enough_for_the_next_row(
    sizes: list[int], order: object, batch: int, max_rows: int | None, limit: int, killed: int, exact: bool
) -> None:
    assert callable(order)
    with tempfile.TemporaryDirectory() as folder:
        work = made(Path(folder), order(sizes))
        approve(work)
        if killed:
            kill(work, killed)
        follow(work, limit, rows=len(sizes), batch=batch, max_rows=max_rows, exact=exact)


@pytest.mark.parametrize("batch", [1, 500])
def test_after_a_kill_what_is_asked_of_large_rows_is_kept_though_the_next_one_is_small(
    tmp_path: Path, batch: int
) -> None:
    work = made(tmp_path, [4000] * 12 + [20] * 12)
    kill(work, 9)

    follow(work, 3000, rows=24, batch=batch)


@pytest.mark.parametrize("batch", [1, 100, 500])
def test_of_fewer_rows_no_more_are_asked_again_than_a_start_of_more_was_told_of(batch: int) -> None:
    target = unknown(HashEmbedder().target)

    def most(stale: int) -> int:
        return Start(target, None, batch, stale, size=64).most_again

    for fewer in (1, SMALL, SMALL + 1, 499, 501, 1200):
        assert Schedule(rows=fewer, batch=batch).most_again(batch, size=64) <= most(fewer) <= most(5000)


def test_of_what_was_cut_off_the_rows_are_asked_for_that_were_counted_on(tmp_path: Path) -> None:
    work = made(tmp_path, range(1, 200))
    kill(work, 150)

    with work.store() as store:
        target = known(store, work.embedder)
        chosen = [[each.document.id for each in inherited(store, target).rows] for _ in range(2)]

    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == MOST


def test_in_a_run_that_was_told_to_stop_the_limit_is_named_that_the_next_row_needs(tmp_path: Path) -> None:
    work = made(tmp_path, [20, 9000])

    ended = start(work, 3000, batch=1, max_rows=1)
    again = start(work, ended.names, resume=True, batch=1, max_rows=1)

    assert ended.report
    assert again.report
    assert (ended.report.reason, ended.report.reembedded, ended.names > 3000) == ("max-rows", 1, True)
    assert (again.report.exit_code, again.report.reembedded) == (0, 1)


def test_what_was_kept_of_a_row_needs_no_more_than_the_probe(tmp_path: Path) -> None:
    work = made(tmp_path, [500] * 12)
    undo(work)

    refused = start(work, 1, or_start=True, resume=True, yes=True)
    ended = start(work, refused.names, or_start=True, resume=True, yes=True)

    assert refused.report is None
    assert refused.names < 500
    assert ended.report
    assert (ended.report.exit_code, ended.report.taken_again) == (0, 12)


@pytest.mark.parametrize("edited", ["id-000", "id-005", "id-011"])
@pytest.mark.parametrize("limit", [1, 300, 3000])
def test_beside_rows_that_cost_nothing_what_is_named_is_enough_for_one_that_does(
    tmp_path: Path, edited: str, limit: int
) -> None:
    work = made(tmp_path, [500] * 12)
    undo(work)
    files.edit(work.path, edited, "edited ".ljust(700, "x"))

    follow(work, limit, rows=12)


def test_rows_of_a_text_that_another_row_has_the_vector_of_need_no_more_than_the_probe(tmp_path: Path) -> None:
    work = made(tmp_path, [500])
    work.run()
    (text,) = files.execute(work.path, "SELECT title, content FROM memories")
    files.add(work.path, "twin", "twins", title=text[0], content=text[1])

    refused = start(work, 1)
    ended = start(work, refused.names)

    assert ended.report
    assert (refused.names < 500, ended.report.exit_code, ended.report.reembedded) == (True, 0, 1)


@pytest.mark.parametrize("texts", [["x" * 30, "\u6771" * 20], ["\u6771" * 20, "x" * 30], ["x" * 30] * 2])
def test_the_shortest_row_is_never_said_to_need_more_than_the_first(tmp_path: Path, texts: list[str]) -> None:
    work = Work(files.create(tmp_path / "m.db", len(texts)))
    for number, text in enumerate(texts):
        files.edit(work.path, f"id-{number:03}", text)

    with pytest.raises(UsageError, match="too few") as refused:
        limited(work, 1)[0].run()

    shortest, first = (int(each.replace(",", "")) for each in AMOUNTS.findall(refused.value.what)[-2:])
    assert shortest <= first
    assert f"Give --max-tokens {first} or more" in refused.value.tip


def test_a_limit_that_is_enough_once_earlier_rows_were_asked_for_is_not_to_be_raised(tmp_path: Path) -> None:
    work = made(tmp_path, [400] * 40)
    kill(work, 30)
    limit = start(work, 1, resume=True).names - 500

    ended = start(work, limit, resume=True)
    again = start(work, limit, resume=True)

    assert ended.report
    assert again.report
    assert (ended.report.reason, ended.report.reembedded) == ("budget too small", 0)
    assert "So many are allowed, so go on: ai-memory reembed --resume" in ended.report.error
    assert again.report.reembedded > 0
