"""What an invocation wrote before it was cut off is doubted by the next one, until rows from all over it agree."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from ai_memory.embed.port import AnyAmount, TokenLimit
from ai_memory.errors import TransientFailure
from ai_memory.reembed.sweep import inherited, schedule
from ai_memory.reembed.sweep.witness_guard import WitnessGuard
from ai_memory.vectors import blob
from ai_memory.vectors.target import Vectors
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

LACKING = "SELECT count(*) FROM memories WHERE id NOT IN (SELECT memory_id FROM embedding_provenance)"
STRETCHES = "SELECT count(*), min(stretch), max(stretch) FROM embedding_provenance"


class Killed(BaseException):
    """Ends an invocation as SIGKILL does: nothing more is written."""


@dataclass(slots=True)
class Passing(HashEmbedder):
    """Mixes up the vectors of four texts or more from request `lies` on, and ends with request `ends`."""

    lies: int = 0
    ends: int = 0
    failure: type[BaseException] = TransientFailure

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        found = HashEmbedder.embed_documents(self, texts)
        self.lies, self.ends = self.lies - 1, self.ends - 1
        if self.ends < 0:
            raise self.failure("503: overloaded.")
        return np.roll(found, 1, axis=0) if len(texts) > 3 and self.lies < 0 else found


def cut_off(folder: Path, failure: type[BaseException]) -> Work:
    """Return the work on a file of 100 rows of which an invocation wrote some wrong before it was cut off."""
    work = Work(files.create(folder / f"{failure.__name__}.db", 100), Passing(lies=8, ends=14, failure=failure))
    with patch.multiple(schedule, DENSE=1, EVERY=100, LEAST=0), suppress(Killed):
        work.run(batch=4)
    work.embedder = HashEmbedder()
    work.clock.ms += 3_600_000
    return work


def wrong(work: Work) -> int:
    texts = files.texts(work.path)
    recorded = [each for (each,) in files.execute(work.path, "SELECT memory_id FROM embedding_provenance")]
    found = files.vectors(work.path)
    return sum(found[each] != blob.encode(work.embedder.vector(texts[each])) for each in recorded)


def check_cut_off(folder: Path, failure: type[BaseException]) -> None:
    """Cut an invocation off that was lied to, and require that the next one leaves no row that is not right."""
    work = cut_off(folder, failure)
    before = wrong(work)
    ended = work.run(resume=True, batch=4)

    assert before > 0
    assert (ended.exit_code, wrong(work), work.all_right()) == (0, 0, True)
    assert ended.disagreed > 0
    assert (ended.reembedded, ended.already_current) == (100, 0)
    assert [line for line in work.heard.lines if "rows that were written are in doubt" in line]
    # It is honest now: nothing has to be asked of it in another way.
    assert not [line for line in work.heard.lines if "from now on" in line]


class Limited(AnyAmount):
    """So many tokens that nothing is refused."""

    limit = TokenLimit(10_000_000)


def test_a_limit_of_tokens_keeps_nothing_that_was_cut_off_from_being_asked_for(tmp_path: Path) -> None:
    work = cut_off(tmp_path, Killed)
    job = work.job(resume=True, batch=4)
    ended = replace(job, tools=replace(job.tools, spending=Limited())).run()

    assert (ended.exit_code, wrong(work), work.all_right()) == (0, 0, True)


def test_an_endpoint_that_goes_on_lying_is_found_out_by_the_first_page_of_the_next_invocation(tmp_path: Path) -> None:
    work = cut_off(tmp_path, Killed)
    work.embedder = Passing(lies=0, ends=10_000)
    ended = work.run(resume=True, batch=4)
    work.embedder = HashEmbedder()

    assert (ended.exit_code, wrong(work), work.all_right()) == (0, 0, True)
    assert [line for line in work.heard.lines if "from now on" in line]


@pytest.mark.parametrize("failure", [TransientFailure, Killed])
def test_what_was_written_wrong_before_an_invocation_was_cut_off_is_mended_by_the_next(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    check_cut_off(tmp_path, failure)


def test_rows_that_were_taken_back_do_not_use_up_the_rows_that_were_asked_for(tmp_path: Path) -> None:
    work = cut_off(tmp_path, Killed)

    ended = work.run(resume=True, batch=4, max_rows=10)

    assert (ended.exit_code, ended.reason, ended.reembedded) == (75, "max-rows", 10)
    assert wrong(work) == 0


def test_no_more_rows_are_shown_as_done_than_there_are_to_do(tmp_path: Path) -> None:
    work = cut_off(tmp_path, Killed)
    work.heard.total = work.heard.rows = 0

    assert work.run(resume=True, batch=4).exit_code == 0

    assert work.heard.rows == work.heard.total > 100 - 14 * 4


def test_what_agreed_at_an_end_is_not_doubted_again(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", 40), HashEmbedder())
    assert work.run(batch=4, max_rows=20).exit_code == 75
    before = files.execute(work.path, STRETCHES)
    assert work.run(resume=True, batch=4).exit_code == 0

    assert before == [(20, 0, 0)]
    assert files.execute(work.path, STRETCHES) == [(40, 0, 1)]
    assert files.execute(work.path, "SELECT stretch FROM embedding_fingerprint") == [(2,)]


def test_a_row_that_was_edited_since_it_was_written_is_not_held_against_the_endpoint(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", 40), Passing(lies=99, ends=6))
    assert work.run(batch=4).exit_code == 75
    for (memory_id,) in files.execute(work.path, "SELECT memory_id FROM embedding_provenance"):
        files.edit(work.path, memory_id, f"another text of {memory_id}")
    work.embedder = HashEmbedder()
    work.clock.ms += 3_600_000
    ended = work.run(resume=True, batch=4)

    assert (ended.exit_code, ended.disagreed, work.all_right()) == (0, 0, True)


def cut_off_after_the_last_row(path: Path) -> Work:
    """Return the work on a file whose last row was written, wrong like those before it, in a run that is given up."""
    work = Work(files.create(path, 40), Passing(lies=8, ends=10**6))
    seldom = patch.multiple(schedule, DENSE=1, EVERY=100, LEAST=0)
    with seldom, patch.object(WitnessGuard, "end_of_pass", side_effect=Killed), suppress(Killed):
        work.run(batch=4)
    work.embedder = HashEmbedder()
    with work.store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=work.clock.ms)
    assert files.execute(work.path, LACKING) == [(0,)]
    return work


def test_a_start_with_nothing_stale_asks_for_what_no_end_has_shown_to_be_right(tmp_path: Path) -> None:
    work = cut_off_after_the_last_row(tmp_path / "m.db")
    assert wrong(work) > 0

    ended = work.run(batch=4)

    assert (ended.exit_code, wrong(work), work.all_right()) == (0, 0, True)
    assert (ended.reembedded, ended.already_current) == (40, 0)
    again = work.run(batch=4)
    assert (again.exit_code, again.run_id, again.requests) == (0, None, 0)


def test_a_start_that_cannot_ask_for_it_does_not_say_that_all_is_well(tmp_path: Path) -> None:
    work = cut_off_after_the_last_row(tmp_path / "m.db")
    work.embedder = Passing(ends=0)

    assert work.run(batch=4).exit_code == 75


def test_what_was_edited_or_deleted_since_is_in_doubt_once_at_most(tmp_path: Path) -> None:
    work = cut_off_after_the_last_row(tmp_path / "m.db")
    files.execute(work.path, "DELETE FROM memories WHERE rowid > 3")
    for each in ("id-000", "id-001", "id-002"):
        files.edit(work.path, each, f"another text of {each}")

    assert (work.run(batch=4).exit_code, work.all_right()) == (0, True)
    assert work.run(batch=4).run_id is None


def test_one_row_that_was_not_edited_is_asked_for_among_many_that_were(tmp_path: Path) -> None:
    work = cut_off_after_the_last_row(tmp_path / "m.db")
    right = {each: blob.encode(HashEmbedder().vector(text)) for each, text in files.texts(work.path).items()}
    (lied, *_) = [each for each, vector in files.vectors(work.path).items() if vector != right[each]]
    for each in right:
        if each != lied:
            files.edit(work.path, each, f"another text of {each}")
    with patch.object(inherited, "MOST", 2):
        ended = work.run(batch=4)

    assert (ended.exit_code, ended.disagreed, work.all_right()) == (0, 1, True)


def test_a_run_of_one_page_leaves_nothing_to_doubt(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", 4), HashEmbedder())
    assert work.run(batch=4).exit_code == 0

    assert files.execute(work.path, STRETCHES) == [(4, 0, 0)]
    assert files.execute(work.path, "SELECT stretch FROM embedding_fingerprint") == [(1,)]


@pytest.mark.parametrize("failure", [TransientFailure, Killed])
def test_another_run_to_the_target_doubts_what_one_that_was_given_up_wrote(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    work = cut_off(tmp_path, failure)
    with work.store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=work.clock.ms)
    ended = work.run(batch=4)

    assert (ended.exit_code, wrong(work), work.all_right()) == (0, 0, True)


def test_a_run_that_was_killed_after_its_last_row_asks_for_some_before_it_says_done(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", 40), Passing(lies=6, ends=17, failure=Killed))
    with patch.multiple(schedule, DENSE=1, EVERY=100, LEAST=0), suppress(Killed):
        work.run(batch=4)
    left = files.execute(work.path, LACKING)
    work.embedder = HashEmbedder()
    ended = work.run(resume=True, batch=4)

    assert left == [(0,)]
    assert (ended.exit_code, wrong(work), work.all_right()) == (0, 0, True)
