"""Our own program with one guard taken out: each mutant is a mistake that somebody could make tomorrow.

A mutant is text replaced in a function's source, or in a constant. The new code is put into the function
that everybody already has, so that it does not matter who imported it. Text that is no longer there fails at once.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType
from typing import Any

import pytest

MACHINE = "state machine"
INTERRUPTIONS = "checkpoint properties"
LIAR = "lying endpoint"
SPACES = "two spaces"
UNDO, REDO, PRUNE = "crash images of undo", "undo and redo", "crash images of a prune"
SWITCH, FLIP, BACK = "switch and edits", "crash images of a switch", "crash images of a switch back"
STORED = "crash images of what is stored after a switch"
ENGINES = "local engines"
WORKERS = "processes that embed"
BESIDE = "starts beside a census"
EXCHANGE = "exchange of columns"
HARNESSES = (MACHINE, INTERRUPTIONS)


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement at `place`, a module and a name in it joined by a colon."""

    place: str
    old: str
    new: str

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        module_name, _, name = self.place.partition(":")
        owner: Any = import_module(module_name)
        *parents, last = name.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        found = getattr(owner, last)
        if isinstance(found, str):
            patch.setattr(owner, last, self._replaced(found))
        else:
            function = inspect.unwrap(found)
            patch.setattr(function, "__code__", self._code(function))

    def _code(self, function: FunctionType) -> object:
        source = textwrap.dedent(inspect.getsource(function))
        bare = source[source.index("def ") :]
        names = dict(function.__globals__)
        flags = __future__.annotations.compiler_flag
        exec(compile(self._replaced(bare), self.place, "exec", flags=flags), names)
        return names[function.__name__].__code__

    def _replaced(self, text: str) -> str:
        assert self.old in text, f"{self.place} no longer has: {self.old}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake, and which harnesses must catch it."""

    name: str
    changes: tuple[Change, ...]
    caught_by: tuple[str, ...] = (MACHINE,)


def _one(name: str, place: str, old: str, new: str, *caught_by: str) -> Mutant:
    return Mutant(name, (Change(f"ai_memory.{place}", old, new),), caught_by or (MACHINE,))


MUTANTS = (
    _one(
        "cursor before data",
        "reembed.sweep.committer:Committer.commit",
        "    committed = commit_once(\n",
        "    with self._store.transaction() as transaction:\n"
        "        self._journal.advance(transaction, steps, now_ms=0)\n"
        "    committed = commit_once(\n",
        *HARNESSES,
    ),
    Mutant(
        "cursor outside the transaction",
        (
            Change(
                "ai_memory.reembed.sweep.commit:write_page",
                "    journal.advance(transaction, steps, now_ms=now_ms)\n",
                "",
            ),
            Change(
                "ai_memory.reembed.sweep.committer:Committer.commit",
                "    committed = commit_once(\n",
                "    from contextlib import ExitStack\n"
                "    from ai_memory.stores.sqlite import checkpoints\n"
                "    with ExitStack() as after:\n"
                "        after.callback(lambda: checkpoints.advance(self._store, self._journal.run, steps, now_ms=0))\n"
                "        committed = commit_once(\n",
            ),
        ),
    ),
    Mutant(
        "hot cursor outside the transaction",
        (
            Change("ai_memory.stores.sqlite.checkpoints:advance", "hot_list.advance(transaction, run, step)", "pass"),
            Change(
                "ai_memory.reembed.sweep.committer:Committer.commit",
                "    committed = commit_once(\n",
                "    from contextlib import ExitStack\n"
                "    from ai_memory.stores.sqlite import hot_list\n"
                "    with ExitStack() as after:\n"
                "        if None in steps:\n"
                "            after.callback(lambda: hot_list.advance(self._store, self._journal.run, steps[None]))\n"
                "        committed = commit_once(\n",
            ),
        ),
    ),
    _one(
        "hot list instead of the walk",
        "reembed.sweep.passes:Passes._walk",
        "namespaces=namespaces,",
        "namespaces=() if run.hot_first else namespaces,",
        *HARNESSES,
    ),
    _one(
        "cursor passes a page that failed",
        "reembed.sweep.sweep:Sweep.over",
        "{} if failure else answered.page.steps",
        "answered.page.steps",
        *HARNESSES,
    ),
    _one(
        "rows in another order than the cursor's",
        "stores.sqlite.walk:IDS",
        "ORDER BY {order}",
        "ORDER BY {order} COLLATE NOCASE",
        INTERRUPTIONS,
    ),
    _one(
        "write by id alone",
        "stores.sqlite.provenance:UPDATE_VECTOR",
        "AND +title IS ?6 AND content IS ?7",
        "AND (?6 IS NOT NULL OR ?7 IS NOT NULL)",
    ),
    _one(
        "no final census",
        "reembed.sweep.passes:Passes._census",
        "return take_census(",
        "return Census(began_at=self._tools.clock.now_ms()) or take_census(",
    ),
    _one("done in spite of stale rows", "reembed.sweep.passes:Passes.run", "if not census.stale:", "if True:"),
    _one("census without head", "memory.freshness:_recorded", " and row.recorded_head == row.head", ""),
    _one("census without src", "memory.freshness:is_recorded", " and has_text(row, row.recorded_src)", ""),
    _one(
        "stamp taken as proof",
        "memory.freshness:is_recorded",
        "_recorded(row, target) and _agrees(row, target, traits) and has_text(row, row.recorded_src)",
        "_agrees(row, target, traits)",
    ),
    _one("no fence", "stores.sqlite.runs:HOLD", "AND fence = ? AND state IN", "AND ? >= 0 AND state IN"),
    _one("a cancelled run goes on", "stores.sqlite.runs:HOLD", "AND state IN ('running', 'switched')", ""),
    _one("no lock", "stores.sqlite.lock:runner_lock", "obtained = _take(descriptor)", "obtained = True"),
    _one("quarantine without canary", "embed.documents:_again", "if not failure.harmless_passed:", "if False:"),
    _one(
        "a refused row is not asked again",
        "embed.documents:_again",
        "[again] = at_once.each([text])",
        "again = failure",
    ),
    _one("quarantine outlives an edit", "memory.freshness:classify", " == _source(row)", ""),
    _one("breaker not asked", "reembed.breaker:require_due", "now_ms < (until", "False and now_ms < (until"),
    _one(
        "texts in flight not recorded",
        "reembed.sweep.progressed:Progressed.since",
        "in_flight_limit=in_flight + self.unsettled",
        "in_flight_limit=0",
    ),
    _one("quarantine told as success", "reembed.plan.census:Census.aside.fget", "return 10 if", "return 0 if"),
    _one(
        "a vector is not read back", "stores.sqlite.provenance:fires_triggers", "return any(", "return False and any("
    ),
    _one(
        "what is only tried is kept", "stores.sqlite.transactions:rehearsal", "_roll_back(db)", "db.execute('COMMIT')"
    ),
    _one(
        "no row is asked again",
        "reembed.sweep.schedule:choose",
        "    return [whole[each] for each in chosen]\n",
        "    return []\n",
        LIAR,
    ),
    _one(
        "asked again after the commit",
        "reembed.sweep.sweep:Sweep.over",
        "                lie = lie or (answered",
        "                if not lie and work.page.documents:\n"
        "                    self._commit(answered, answered.page.steps)\n"
        "                lie = lie or (answered",
        LIAR,
    ),
    _one(
        "what was written before a lie stays",
        "reembed.sweep.trail:Trail.doubtful",
        "*before, *self._unproven.doubtful(), ",
        "",
        LIAR,
    ),
    _one(
        "what was written before a kill is believed",
        "reembed.sweep.inherited:inherited",
        "    ids = store.targets.unproven(target)\n",
        "    ids = store.targets.unproven(target)[:0]\n",
        LIAR,
    ),
    _one(
        "vectors without their stretch",
        "stores.sqlite.provenance:record_provenance",
        "stretch, bound = fingerprint.stretch,",
        "stretch, bound = -1,",
        LIAR,
    ),
    _one(
        "a record keeps the hash of an earlier text",
        "stores.sqlite.provenance:RECORD_UNLESS_EDITED",
        " WHERE src = excluded.src",
        "",
    ),
    _one(
        "a twin's vector taken unseen",
        "stores.sqlite.provenance:vectors_of",
        "if src not in found and head(blob) == recorded and is_sound(blob, fingerprint.dim):",
        "if blob:",
    ),
    _one(
        "cosines of two spaces mixed as they are",
        "actions.merge:_on_one_scale",
        "pooled.mean + scale * (cosine - mean)",
        "cosine",
        SPACES,
    ),
    _one(
        "a vector of a space in which the query has none is compared",
        "actions.compare:_Walk._like",
        "return LeftOut.OTHER_SPACE",
        "return fitting[0] if fitting else LeftOut.OTHER_SPACE",
        SPACES,
    ),
    _one(
        "the figures of a space are those of the namespace",
        "actions.recall:_likeness",
        "query.namespace is not None",
        "False",
        SPACES,
    ),
    _one(
        "an address that only the file names is asked",
        "config.kept:believed",
        " and each.base_url.value == settings.base_url.value",
        "",
        SPACES,
    ),
    _one(
        "a key goes where only the file sends it",
        "config.kept:_serves_here",
        "not vendor.takes_key and settings",
        "settings",
        SPACES,
    ),
    _one(
        "a folder of somebody else is loaded",
        "config.kept:_local",
        "require_own_folder(folder, EmbedderInitFailed, users)",
        "pass",
        SPACES,
    ),
    _one(
        "undo written outside the transaction",
        "stores.sqlite.provenance:write_vectors",
        "previous.keep(transaction, keep_for, writes)",
        "transaction.db.execute('COMMIT'); "
        "previous.keep(transaction, keep_for, writes); "
        "transaction.db.execute('BEGIN IMMEDIATE')",
        UNDO,
    ),
    _one(
        "undo written after the vector",
        "stores.sqlite.provenance:write_vectors",
        "    record_provenance(",
        "    if keep_for is not None:\n"
        "        transaction.db.execute('DELETE FROM embedding_previous WHERE run_id = ?', (keep_for,))\n"
        "        previous.keep(transaction, keep_for, writes)\n"
        "    record_provenance(",
        MACHINE,
    ),
    _one(
        "what is left by a prune that was killed is a way back",
        "stores.sqlite.previous:PRUNED",
        "keeps_previous = 2",
        "keeps_previous = 1",
        PRUNE,
    ),
    _one(
        "rollback without compare-and-set",
        "stores.sqlite.put_back:_may_have",
        "return written and has_text(row, kept[0].text_src)",
        "return True",
    ),
    _one(
        "rollback over an edited text",
        "stores.sqlite.put_back:_may_have",
        "return written and has_text(row, kept[0].text_src)",
        "return written",
    ),
    _one(
        "the second previous replaces the first",
        "stores.sqlite.previous:KEEP",
        "written_head = excluded.written_head",
        "written_head = excluded.written_head, text_src = excluded.text_src, embedding = excluded.embedding,"
        " embedding_dim = excluded.embedding_dim, embedding_space = excluded.embedding_space",
        REDO,
    ),
    _one(
        "redo of another text",
        "reembed.sweep.scan:Scan._gather_stale",
        "self._kept.get(document.src)",
        "next(iter(self._kept.values()), None)",
    ),
    _one(
        "what is taken again is believed",
        "reembed.sweep.scan:_Gathering.add_kept",
        "self.taken if kept.proven else self.unproven",
        "self.taken",
        REDO,
    ),
    _one(
        "switch without census",
        "reembed.finish.switch:Switch._attempt",
        "if not proven and self._census(store, run).stale:",
        "if False and self._census(store, run).stale:",
        SWITCH,
    ),
    _one(
        "staged vector of an edited text served",
        "stores.sqlite.views:VIEW",
        "AND has_text(s.src, {text})",
        "",
        SWITCH,
    ),
    _one(
        "moved without a look at the text",
        "reembed.finish.promote:_page",
        "if not row.live or classify(row, target, store.memories.traits) is not Freshness.FRESH:",
        "if not row.live:",
        SWITCH,
    ),
    _one(
        "flip outside the transaction",
        "reembed.finish.switch:Switch._flip",
        "        transaction.staging.serve(run)\n",
        "    with store.transaction() as transaction:\n        transaction.staging.serve(run)\n",
        FLIP,
    ),
    _one(
        "what was moved is served on the way back",
        "reembed.finish.rollback:Rollback._taken",
        "transaction.staging.serve_before(staged)",
        "transaction.staging.serve_own()",
        BACK,
    ),
    _one(
        "what is stored after a switch has no way back",
        "actions.filling:Filling.place",
        "InRow(run.run_id if run.keeps_previous else None)",
        "NOTHING_KEPT",
        STORED,
    ),
    _one(
        "a switch back before anything was moved forgets what was stored since",
        "reembed.finish.back:Back.run",
        " or run.kept.rows)",
        ")",
        STORED,
    ),
    _one(
        "an engine of other vectors is used",
        "embed.local.engine_auto:_require_same",
        "if not least >= SAME:",
        "if not least >= -1:",
        ENGINES,
    ),
    _one(
        "a proof holds for other files", "embed.local.user_cache:model_key", ".machine(), seen", ".machine()", ENGINES
    ),
    _one(
        "a text is cut a token later",
        "embed.local.token_reader:token_reader",
        "enable_truncation(model.max_tokens)",
        "enable_truncation(model.max_tokens + 1)",
        ENGINES,
    ),
    _one(
        "what fills a batch is pooled",
        "embed.local.engine_file:_Loaded.vectors",
        "batch.mask, self._model",
        "np.ones_like(batch.mask), self._model",
        ENGINES,
    ),
    _one(
        "what was exported is not compared",
        "embed.stack.export:_least",
        "if not least >= SAME:",
        "if not least >= -1:",
        ENGINES,
    ),
    _one(
        "a process of other weights embeds",
        "embed.pools.spread:SpreadEmbedder._is_same",
        ">= SAME_COSINE",
        ">= -1",
        WORKERS,
    ),
    _one(
        "what died beside others is asked again beside others",
        "embed.pools.spread:SpreadEmbedder._answered",
        "alone, only = self._deaths.suspected(texts),",
        "alone, only = False,",
        WORKERS,
    ),
    _one(
        "one death is the text's fault",
        "embed.pools.places:Deaths.add",
        ">= TWICE",
        ">= 1",
        WORKERS,
    ),
    _one(
        "no vector is tried before a start begins beside its census",
        "reembed.sweep.beside:_takes_vector",
        "return not rehearse",
        "return True or not rehearse",
        BESIDE,
    ),
    _one(
        "more texts in flight than can be sent",
        "reembed.sweep.beside:_ahead",
        "max(min(ceil(run.in_flight_limit / 2), SEEN), LEAST * options.batch)",
        "LEAST * options.batch",
        BESIDE,
    ),
    _one(
        "more texts in flight than are left",
        "reembed.sweep.beside:_run_to_go_on_with",
        "max(ROWS_BESIDE + 2 * options.batch, run.in_flight_limit)",
        "ROWS_BESIDE + 2 * options.batch",
        BESIDE,
    ),
    _one(
        "what was written beside a census is left to do",
        "reembed.sweep.census_beside:CensusBeside._take_in",
        "found.remaining - self._done",
        "found.remaining",
        BESIDE,
    ),
    _one(
        "a run goes on beside its census without end",
        "reembed.sweep.census_beside:CensusBeside.committed",
        "self._done >= ROWS_BESIDE",
        "False",
        BESIDE,
    ),
    _one(
        "exchange without census",
        "reembed.finish.switch:Switch._attempt",
        "if not proven and self._census(store, run).stale:",
        "if not proven and self._census(store, run).stale < 0:",
        EXCHANGE,
    ),
    _one(
        "a trigger is not made again",
        "stores.postgres.exchange:_change_places",
        "db.execute(definition)",
        "None",
        EXCHANGE,
    ),
    _one(
        "the archive's vectors are not set aside",
        "stores.postgres.exchange:_change_places",
        "_set_archive_aside(transaction, width, away=away, come=come)",
        "None",
        EXCHANGE,
    ),
    _one(
        "columns change places in a transaction of their own",
        "reembed.finish.promote:_finish",
        "        transaction.staging.exchange(run)",
        "    with store.transaction() as transaction:\n        transaction.staging.exchange(run)",
        EXCHANGE,
    ),
)
