"""Any interleaving of interruptions, sizes and row ids ends in the vectors of a run that nobody disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ai_memory.reembed.options import Options
from tests.machine.edits import MODELS, Edit, Insert, rushed
from tests.machine.in_files import Files
from tests.machine.invocation import Clock, Invocation, Outcome, Script
from tests.machine.judge import Judge
from tests.machine.pool import ORDERS
from tests.machine.world import World
from tests.support.sometimes import Sometimes
from tests.support.strategies import ids, namespaces

MODEL = MODELS[0]
CRON = Options(resume=True, or_start=True)
DONE = (0, 10)
PROGRAMS = 80
LONG_PROGRAMS = 2_000

few = st.sampled_from(["global", "global", "Team/a"])
rows = st.lists(st.tuples(ids, st.one_of(few, namespaces)), min_size=4, max_size=14, unique_by=lambda each: each[0])
interruptions = st.builds(
    Script,
    calls=st.dictionaries(st.integers(2, 24), st.sampled_from(["outage", "signal", "die", "no quota"]), max_size=1),
    kill_at=st.one_of(st.none(), st.integers(30, 240)),
    order=st.sampled_from(ORDERS),
    concurrency=st.sampled_from([1, 3]),
)
sizes = st.builds(
    lambda batch, most: replace(CRON, batch=batch, max_rows=most),
    st.integers(1, 5),
    st.sampled_from([None, None, 1, 3]),
)
orders = st.sampled_from([None, "hot"])
starts = st.lists(st.tuples(sizes, interruptions), max_size=6)


@dataclass(frozen=True, slots=True)
class Stage:
    """A world of its own with everything that judges it."""

    world: World
    judge: Judge
    clock: Clock

    def run(self, options: Options, script: Script) -> Outcome:
        self.clock.sleep(3600)
        self.judge.before(options)
        outcome = Invocation(self.world, self.clock, MODEL, script, interfere=lambda _: None).run(options)
        self.judge.judge_file()
        return outcome

    def finish(self) -> dict[bytes | None, bytes | None]:
        """Run undisturbed to the end and return every row's vector by its id."""
        assert self.run(CRON, Script()).exit_code in DONE
        return {row.id: row.blob for row in self.world.view().rows.values()}


def stage(folder: str, found: Sequence[tuple[str, str]]) -> Stage:
    world = World(Files(Path(folder)), 0)
    for number, (row_id, namespace) in enumerate(found):
        Insert(row_id, namespace, f"note {number}", f"text {number}").apply(world)
    return Stage(world, Judge(world, Sometimes()), Clock())


def check_interruptions(folder: Path, programs: int, *, random: bool) -> None:
    """Run the property over `programs` programs."""

    @given(found=rows, planned=starts, order=orders)
    @drawn(programs, random=random)
    def interrupted_runs_end_as_undisturbed_ones(
        found: list[tuple[str, str]], planned: list[tuple[Options, Script]], order: str | None
    ) -> None:
        with TemporaryDirectory(dir=folder) as one, TemporaryDirectory(dir=folder) as other:
            disturbed, undisturbed = stage(one, found), stage(other, found)
            for options, script in planned:
                disturbed.run(replace(options, order=order), script)
            assert disturbed.finish() == undisturbed.finish()

    interrupted_runs_end_as_undisturbed_ones()


def check_cursors(folder: Path, programs: int, *, random: bool) -> None:
    """Run the property over `programs` programs."""
    edits = st.dictionaries(st.integers(2, 24), st.lists(rushed, min_size=1, max_size=2), max_size=3)

    @given(found=rows, planned=starts, raced=edits, order=orders)
    @drawn(programs, random=random)
    def no_cursor_passes_a_row_that_waits(
        found: list[tuple[str, str]],
        planned: list[tuple[Options, Script]],
        raced: dict[int, list[Edit]],
        order: str | None,
    ) -> None:
        with TemporaryDirectory(dir=folder) as one:
            disturbed = stage(one, found)
            for options, script in planned:
                disturbed.run(replace(options, order=order), replace(script, edits=raced))

    no_cursor_passes_a_row_that_waits()


def drawn(programs: int, *, random: bool) -> settings:
    return settings(
        max_examples=programs,
        deadline=None,
        database=None,
        derandomize=not random,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_any_interleaving_of_interruptions_ends_in_the_vectors_of_an_undisturbed_run(
    fast_folder: Path, *, long_form: bool
) -> None:
    check_interruptions(fast_folder, LONG_PROGRAMS if long_form else PROGRAMS, random=long_form)


def test_the_cursor_never_passes_a_row_that_is_neither_fresh_nor_quarantined_nor_raced(
    fast_folder: Path, *, long_form: bool
) -> None:
    check_cursors(fast_folder, LONG_PROGRAMS if long_form else PROGRAMS, random=long_form)
