"""`reembed verify`: the census, and with --sample some rows embedded again."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from ai_memory.actions.make_stale import make_stale
from ai_memory.clock import SystemClock
from ai_memory.commands.known_witness import witness_in
from ai_memory.commands.with_keys import database
from ai_memory.commands.without_vectors import is_configured
from ai_memory.embed.assemble import assemble, configured_target
from ai_memory.embed.probe import WAYS_OUT, probe, require_width
from ai_memory.embed.terms import Ties
from ai_memory.errors import OperatorNeeded, TargetChanged, UsageError
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.holding import holding
from ai_memory.reembed.inspect.bound import percent
from ai_memory.reembed.inspect.verify import Sample, choose, choose_unattested, compare
from ai_memory.reembed.plan.census import Census, take_census
from ai_memory.reembed.plan.decide import UNPROVEN
from ai_memory.reembed.plan.targets import find_target, known_fingerprint, recorded_target
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.scope import Scope, name_scope
from ai_memory.reembed.way_on import way_on
from ai_memory.stores.holder import Task
from ai_memory.text.amounts import counted
from ai_memory.text.hints import REEMBED
from ai_memory.text.times import timestamp
from ai_memory.vectors.fingerprint import differences
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import Embedder
    from ai_memory.memory.freshness import Document
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Reader, Store
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

ALL = "all"
GIVEN_UP = ("cancelled", "superseded")
STAGED = (
    "Judged is what the staged run has put beside the memories; search serves what it served before until the switch."
)
SWITCHED = "Judged is what is served; not all of it stands in the memories yet."
VERIFY = f"{REEMBED} verify"
SAMPLE_TIP = "No vector was looked at. To embed some rows again and compare"
MEND = "To have the rows that differ embedded anew"
STAMP_THOSE = f"{REEMBED} --stamp-only --sample all"
OTHER_WEIGHTS = (
    " So many usually mean that the endpoint has other weights than those that made these vectors: look at it first."
)


class _Looked(Frozen):
    """What was found of the rows in `scope` by the census and by a `sample` (None: no row was embedded again).

    `next` is the command that embeds what is stale, empty where the configuration is of another target. `in_doubt` rows
    have a vector that no end of a start has shown to be right, and were not embedded again.
    `place` says what was judged where that is not what stands in the memories.
    """

    name: str
    scope: Scope
    census: Census
    sample: Sample | None
    next: str = ""
    made_stale: int | None = None
    in_doubt: int = 0
    place: str = ""

    @property
    def found(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.census.exit_code or self.in_doubt or (self.sample and self.sample.found))


def run_verify(
    settings: Settings, console: Console, *, sample: str | int | None, of_run: bool, stale: bool = False
) -> int:
    """Take the census and compare a sample (a number of rows, or "all"); 0 if nothing was found, 1 if something was.

    It judges all live rows by the configured target, or `of_run` those of the recorded run by the run's. Rows that
    differ are made `stale`; without that nothing is written.

    Raises:
        UsageError: rows are to be made stale of which none is compared.
        EndpointUnusable, TargetChanged: what the endpoint gives is no reason to make rows stale.
        RunHeld: they are to be made stale, and a run is at work.
    """
    if stale and not sample:
        raise UsageError("--make-stale needs --sample.", tip=f"{MEND}: {VERIFY} --sample all --make-stale")
    file, now_ms = database(settings, console.note), SystemClock().now_ms()
    if stale:
        with holding(file, now_ms=now_ms, task=Task.MAKE_STALE), file.write(now_ms=now_ms) as store:
            looked = _look(store, settings, sample, of_run=of_run, writable=store)
    else:
        with file.read() as reader:
            looked = _look(reader, settings, sample, of_run=of_run)
    _show(looked, console, of_run=of_run)
    return 1 if looked.found else 0


def _place(store: Reader, target: Fingerprint | None) -> str:
    """Return what is judged where vectors of the target stand beside the memories."""
    if target is None or store.targets.staged.target() != target.id:
        return ""
    return SWITCHED if store.targets.staged.active() else STAGED


def _look(
    store: Reader, settings: Settings, sample: str | int | None, *, of_run: bool, writable: Store | None = None
) -> _Looked:
    """Look at the rows; make those that differ stale where the store is `writable`."""
    target, scope, name = _verified(store, settings, of_run=of_run)
    census = take_census(store, target, scope, now_ms=SystemClock().now_ms())
    next_ = _next(store, settings, target, scope)
    looked = _Looked(name, scope, census, None, place=_place(store, target), next=next_)
    if not target:
        return replace(looked, sample=_unattested(store, settings, scope, sample)) if sample else looked
    unproven = set(store.targets.unproven(target))
    looked = replace(looked, in_doubt=len(unproven))
    if not sample:
        return looked
    embedder = assemble(settings.embedding, ties=Ties(witness=witness_in(store)))
    chosen = _chosen(store, embedder, target, scope, size=None if sample == ALL else int(sample))
    compared = compare(store, embedder, target, chosen)
    made = make_stale(writable, embedder, target, compared, chosen) if writable else None
    left = len(unproven - {each.id for each in chosen})
    return replace(looked, sample=compared, made_stale=made, in_doubt=left)


def _unattested(store: Reader, settings: Settings, scope: Scope, sample: str | int) -> Sample:
    """Compare rows of a file that knows nothing of the target: another program may have given them its vectors."""
    embedder = assemble(settings.embedding)
    dim = embedder.target.dim or int(probe(embedder, WITNESS_TEXTS[:1]).shape[1])
    chosen = choose_unattested(store, dim, scope, size=None if sample == ALL else int(sample))
    return replace(compare(store, embedder, None, chosen), unattested=True)


def _next(store: Reader, settings: Settings, target: Fingerprint | None, scope: Scope) -> str:
    """Return the command that gives the stale rows of `scope` vectors of the target; empty if none is of it now."""
    if target and not is_configured(store, settings.embedding, target):
        return ""
    begin = f"{REEMBED}{''.join(f' --namespace={quote(each)}' for each in scope or ())}"
    now_ms = SystemClock().now_ms()
    return way_on(
        store, begin, now_ms=now_ms, scope=scope, elsewhere=lambda run: target is None or run.target != target.id
    )


def _show(looked: _Looked, console: Console, *, of_run: bool) -> None:
    census, sample, scope = looked.census, looked.sample, looked.scope
    values = {
        "total": census.live,
        "fresh": census.fresh,
        "stale": census.stale,
        "quarantined": census.quarantined,
        "attested": census.attested,
        "unattested": census.unattested,
        "unaddressable": census.unaddressable,
        "not_live": census.dead,
        "substrate": census.substrate,
        "model": looked.name,
        "scope": None if scope is None else list(scope),
        "in_doubt": looked.in_doubt,
        "census_at": timestamp(census.began_at),
        "staged": looked.place == STAGED,
        "ok": not looked.found,
        **(sample.values() if sample else {}),
        "differ_at_most": _differ_at_most(sample, census),
        **({} if looked.made_stale is None else {"made_stale": looked.made_stale}),
    }
    text = [_census_text(census, looked.name, scope), *([_sample_text(sample, census)] if sample else [])]
    words, command = _step(looked, f"{VERIFY} --run" if of_run else VERIFY)
    told = [f"{words}: {command}" if command else words] if words else []
    place = [looked.place] if looked.place else []
    console.result({**values, "next": command if looked.found else ""}, *text, *place, *told)


def _step(looked: _Looked, verify: str) -> tuple[str, str]:
    """Return what is to be done next in words, and the command that does it; `verify` is the one that looked."""
    sample, made = looked.sample, looked.made_stale
    again = f"{verify} --sample all --make-stale"
    if sample and sample.sharing:
        return "", ""
    if sample and sample.unattested:
        return _step_of_unattested(sample, looked)
    if made:
        return f"{counted(made, 'row was', 'rows were')} made stale. To embed them anew", looked.next
    if sample and sample.differing and made is not None:
        since = "asked for again they got the stored vector, or they were edited, or given another one, since"
        return f"None of them was made stale: {since}. To look again", again
    if sample and sample.differing:
        return (f"{WAYS_OUT}.", "") if sample.mostly else (MEND, again)
    if sample and not looked.found:
        return "", ""
    return _step_of_census(looked, verify)


def _step_of_unattested(sample: Sample, looked: _Looked) -> tuple[str, str]:
    """Return what is to be done next where another program may have given the target's vectors."""
    if sample.compared and not sample.mostly:
        return "To record those that agree as the target's, without embedding them", STAMP_THOSE
    return ("To embed what is stale", looked.next) if looked.next else ("", "")


def _step_of_census(looked: _Looked, verify: str) -> tuple[str, str]:
    """Return what is to be done next where no row was found to have another vector."""
    census = looked.census
    if census.stale:
        return ("To embed what is stale", looked.next) if looked.next else ("", "")
    if looked.in_doubt:
        rows = counted(looked.in_doubt, "row was", "rows were")
        doubt = f"{rows} written in a start that was cut off or stopped early: {UNPROVEN}."
        return (f"{doubt} To ask for some of them again", looked.next) if looked.next else (doubt, "")
    if census.quarantined:
        return "To see why rows are in quarantine", f"{REEMBED} quarantine"
    if looked.found or not census.live:
        return "", ""
    return SAMPLE_TIP, f"{verify} --sample 300"


def _verified(store: Reader, settings: Settings, *, of_run: bool) -> tuple[Fingerprint | None, Scope, str]:
    """Return what to verify against, where, and its name.

    Raises:
        OperatorNeeded: there is no run to verify.
    """
    if of_run:
        run = _not_given_up(recorded_run(store))
        if run is None:
            raise OperatorNeeded(
                "There is no run to verify: the last one was given up or undone, or none was begun.",
                tip="Verify the configured target: ai-memory reembed verify",
            )
        return store.targets.read(run.target), run.scope, run.target_model
    target = recorded_target(store, configured_target(settings.embedding))
    return known_fingerprint(store, target), None, target.model


def _not_given_up(run: Run | None) -> Run | None:
    return None if run is None or run.undoes or run.state in GIVEN_UP else run


def _chosen(
    store: Reader, embedder: Embedder, target: Fingerprint, scope: Scope, *, size: int | None
) -> list[Document]:
    """Return the rows to embed again.

    Raises:
        TargetChanged: the embedder's target is another.
    """
    if changed := differences(target.spec_json, find_target(store, embedder)):
        raise TargetChanged(
            f"The configured target differs from that of the vectors to verify: {'; '.join(changed)}.",
            tip="Correct the configuration, or leave --sample out.",
        )
    chosen, configured = choose(store, target, scope, size=size), embedder.target.dim
    if chosen and not configured:
        require_width(target, int(probe(embedder, WITNESS_TEXTS[:1]).shape[1]))
    return chosen


def _census_text(census: Census, name: str, scope: Scope) -> str:
    where = "" if scope is None else f" in {name_scope(scope)}, the run's namespaces,"
    attested = f", {census.attested:,} of them attested by an operator" if census.attested else ""
    if not census.live:
        return f"There are no live rows{where.removesuffix(',')}."
    if census.exit_code == 0 and census.live == 1:
        return f"The one live row{where} is stamped and recorded as {name}, of its present text{attested}."
    if census.exit_code == 0:
        return (
            f"All {census.live:,} live rows{where} are stamped and recorded as {name}, of their present text{attested}."
        )
    unattested = f" ({census.unattested:,} of them unattested: nothing records where their vector comes from)"
    rows = counted(census.live, f"live row{where} is", f"live rows{where} are")
    return (
        f"{census.fresh:,} of {rows} stamped and recorded as {name}{attested}; "
        f"{counted(census.stale, 'is', 'are')} stale{unattested if census.unattested else ''}, "
        f"{census.quarantined:,} in quarantine, {census.unaddressable:,} without an id."
    )


def _differ_at_most(sample: Sample | None, census: Census) -> float | None:
    """Return the share of the rows that can differ (95 %), None where none was embedded again."""
    if not sample or not sample.compared or sample.unattested:
        return None
    return sample.differ_at_most(attested=census.attested, rows=census.fresh)


def _sample_text(sample: Sample, census: Census) -> str:
    if not sample.compared:
        why = "has a vector so wide" if sample.unattested else "is recorded as the target's"
        return f"No row was embedded again: none {why}."
    if sample.sharing:
        what = f"{sample.sharing:,} of {sample.compared:,} rows embedded again share one"
        return f"The endpoint gives different texts the same vector: {what}."
    if sample.differing:
        first = printable(sample.differing[0])
        more = " …" if len(sample.differing) > 1 else ""
        differ = f"{len(sample.differing):,} of {sample.compared:,} rows embedded again differ: {first}{more}"
        return f"{differ}{OTHER_WEIGHTS if sample.mostly else ''}"
    share = _differ_at_most(sample, census)
    which = "rows" if census.fresh == census.live else f"{counted(census.fresh, 'row')} that are recorded"
    bound = f" At most {percent(share)} of the {which} can differ (95 %)." if share else ""
    agree = f"{counted(sample.compared, 'row')} embedded again {'agrees' if sample.compared == 1 else 'agree'}"
    return f"{agree}; the lowest cosine is {sample.lowest_cosine:.6f}.{bound}"
