"""From the resolved settings to the embedder that commands use: the one way to get one, in whatever process.

A batch passes, from the outside in, `TimeLimitedEmbedder` where somebody waits (all calls have one deadline), the chain
of `embed.stack.chain`, and `HttpEmbedder`, or `LimitedEmbedder` around `LocalEmbedder`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from ai_memory.config import vendors
from ai_memory.config.embedding import KEYWORD
from ai_memory.config.file import Sourced
from ai_memory.embed.buildable import require_cluster_allowed
from ai_memory.embed.flow.concurrency import LimitedEmbedder
from ai_memory.embed.flow.limiter import Unlimited
from ai_memory.embed.flow.time_limit import TimeLimit, TimeLimitedEmbedder
from ai_memory.embed.pools.in_turn import InTurn
from ai_memory.embed.pools.threads import ThreadPool
from ai_memory.embed.port import LOCAL_RAY, RetryPolicy
from ai_memory.embed.stack import local, precision, remote
from ai_memory.embed.stack.chain import chained
from ai_memory.embed.stack.engines import engine_names, is_accelerated, make_engine, require_engine, witness_on_record
from ai_memory.embed.stack.export import export
from ai_memory.embed.terms import Terms, Ties
from ai_memory.errors import NoEmbedder
from ai_memory.frozen import Frozen
from ai_memory.system.cores import usable_cores
from ai_memory.text import address
from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.flow.splitting import SplittingEmbedder
    from ai_memory.embed.pools.spread import SpreadEmbedder
    from ai_memory.embed.pools.workplace import Workplace
    from ai_memory.embed.port import Embedder, Engine, Outcasts, Pool, ResilientEmbedder, Where
    from ai_memory.embed.stack.chain import Core
    from ai_memory.embed.stack.export import Exported
    from ai_memory.embed.stack.proving import Verdict
    from ai_memory.vectors.target import Target, Vectors

WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")
Make = Callable[["EmbeddingSettings", Terms, Ties], "ResilientEmbedder"]
"""See `assemble`."""
QUICK = RetryPolicy(retry_for=5.0, attempts=3, rate_for=5.0)
"""For somebody who waits: half of PERSON_WAITS, so that a last attempt can still be answered. Of 2026-11-23."""
PERSON_WAITS = 10.0
"""Seconds that somebody at a terminal, or an agent in a conversation, waits for a vector.

Of 2026-11-25, not measured."""


def assemble(settings: EmbeddingSettings, terms: Terms | None = None, ties: Ties | None = None) -> SplittingEmbedder:
    """Return the configured embedder; nothing is loaded or sent yet.

    What cannot be computed in its precision here is computed in float32, as its target says, and `ties` are told why.

    Raises:
        NoEmbedder: the tier has embeddings turned off.
        EmbedderInitFailed: what is configured cannot be built; nothing else is taken instead.
    """
    terms, ties = terms or Terms(), ties or Ties()
    return chained(_core(_possible(settings, ties), terms, ties), terms, ties)


def assemble_interactive(
    settings: EmbeddingSettings, ties: Ties | None = None, *, make: Make = assemble
) -> ResilientEmbedder:
    """Return the configured embedder for somebody who waits: an endpoint has ten seconds, whatever it does.

    A local model has the time it takes. The stop of `ties` is not heeded. `make` is what makes it.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    stop = Event()
    embedder = make(settings, Terms(QUICK), replace(ties or Ties(), stop=stop))
    return embedder if settings.is_local else _time_limited(embedder, settings, stop)


class Queries:
    """Embeds queries for somebody who waits: of each an endpoint has ten seconds, a local model the time it takes.

    The embedder is made when it is first asked, and anew after an answer that did not come in time.
    """

    def __init__(self, settings: EmbeddingSettings, ties: Ties | None = None, *, make: Make = assemble) -> None:
        """Keep the settings; nothing is made, loaded or sent yet. The stop of `ties` is not heeded."""
        self._settings = settings
        self._ties = ties or Ties()
        self._make = make
        self._stop = Event()
        self._embedder: ResilientEmbedder | None = None

    @property
    def is_local(self) -> bool:
        """Whether the model runs on this machine."""
        return self._settings.is_local

    def begin(self, text: str) -> Callable[[], tuple[Target, Vectors]]:
        """Send a query to its endpoint, and return what waits for the target and the vector, float32, shape (dim,).

        A local model begins only where it is waited for. Both raise:

        Raises:
            NoEmbedder, EmbedderInitFailed: see `assemble`.
            TransientFailure: the time is over.
            AiMemoryError: the embedder's.
        """
        if self.is_local:
            return lambda: self._embedded(text)
        embedder = self._made()
        answer = _time_limited(embedder, self._settings, self._stop).begin_query(text)
        return lambda: _with_target(embedder, answer())

    def _embedded(self, text: str) -> tuple[Target, Vectors]:
        embedder = self._made()
        return _with_target(embedder, embedder.embed_query(text))

    def _made(self) -> ResilientEmbedder:
        if self._embedder is None or self._stop.is_set():
            self._stop = Event()
            self._embedder = self._make(self._settings, Terms(QUICK), replace(self._ties, stop=self._stop))
        return self._embedder


def _with_target(embedder: ResilientEmbedder, vector: Vectors) -> tuple[Target, Vectors]:
    """Return the target as it is known after the answer."""
    return embedder.target, vector


def _time_limited(embedder: ResilientEmbedder, settings: EmbeddingSettings, stop: Event) -> TimeLimitedEmbedder:
    """Return the embedder for somebody who waits from now on; `stop` ends its waits."""
    return TimeLimitedEmbedder(
        embedder, TimeLimit.begin(address.read(settings.base_url.value).shown, PERSON_WAITS, stop)
    )


def threads(
    embedder: ResilientEmbedder,
    ask: Callable[[ResilientEmbedder, WorkT], AnswerT],
    *,
    executor: Callable[[int], Executor] = ThreadPoolExecutor,
) -> Pool[WorkT, AnswerT]:
    """Return workers that share an embedder; `ask` turns work into its answer in threads that `executor` makes."""
    return ThreadPool(embedder, ask, executor=executor)


def workplace(where: Where | None, settings: EmbeddingSettings, ties: Ties) -> Workplace | None:
    """Return where the workers with a local model work, None where this process alone does.

    Raises:
        EmbedderInitFailed: there can be none, see `embed.pools.workplace`; or texts may not leave this machine.
    """
    if where is None:
        return None
    if isinstance(where, str) and where != LOCAL_RAY:
        require_cluster_allowed(settings, where)
    from ai_memory.embed.pools.workplace import workplace

    return workplace(where, usable_cores(), ties.awaited, ties.tell or (lambda _: None))


def embedders(
    place: Workplace | None,
    settings: EmbeddingSettings,
    terms: Terms,
    ties: Ties,
    ask: Callable[[ResilientEmbedder, WorkT], AnswerT],
    outcasts: Outcasts[AnswerT] | None = None,
) -> tuple[SplittingEmbedder, Callable[[], Pool[WorkT, AnswerT]]]:
    """Return the embedder, and what makes the pool of its workers; `ask` turns work into its answer.

    A local model is loaded by the workers of a `place`, or in this process alone (None). None is started yet. In a
    cluster one of other weights than the others is put out, as `outcasts` says (None: none is).

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    if place is None:
        embedder = assemble(settings, terms, ties)
        return embedder, partial(threads, embedder, ask)
    from ai_memory.embed.pools.spread_pool import SpreadPool

    possible = _possible(settings, ties)
    core = _core(possible, terms, ties)
    spread = _spread(possible, core, place, ties)
    spreading = replace(core, make=partial(LimitedEmbedder, spread), concurrency=spread.concurrency)
    embedder = chained(spreading, terms, ties)
    return embedder, partial(SpreadPool, embedder, ask, spread, outcasts if place.ray else None)


def _spread(settings: EmbeddingSettings, core: Core, place: Workplace, ties: Ties) -> SpreadEmbedder:
    """Return the embedder that spreads its calls over workers with the core's model."""
    from ai_memory.embed.pools.channel import Begin
    from ai_memory.embed.pools.crew import Model
    from ai_memory.embed.pools.spread import SpreadEmbedder

    def begin() -> Begin:
        witness = ties.witness(core.target) if ties.witness else None
        return Begin(partial(in_worker, settings, place.threads, witness), core.concurrency)

    tell, max_batch = ties.tell or (lambda _: None), core.make(Unlimited(1)).max_batch
    model = Model(begin, core.concurrency, max_batch, partial(witness_on_record, ties, core.target))
    return SpreadEmbedder(core.target, place.crew(model, ties.awaited, tell), ties.awaited, tell)


def in_worker(
    settings: EmbeddingSettings, threads: int, witness: bytes | None, tell: Callable[[str], None]
) -> Embedder:
    """Return the embedder of one worker; `witness` is what the database knows of its target's."""
    core = _core(settings, Terms(threads=threads), Ties(witness=lambda _: witness, tell=tell))
    return core.make(Unlimited(core.concurrency))


class Needs(Frozen):
    """What so many workers need: each computes on `threads`, of `cores` that there are.

    Each reads `model_bytes` of weights (0: not known here). They are processes here, or actors of a Ray, whose address
    `ray` is.
    """

    workers: int
    threads: int
    cores: int
    model_bytes: int
    ray: str = ""


def needs(settings: EmbeddingSettings, place: Workplace | None) -> Needs | None:
    """Return what the workers of a place need that load the configured local model; None where there are none.

    Raises:
        EmbedderInitFailed: it cannot be loaded.
    """
    if place is None:
        return None
    from ai_memory.embed.stack.model_size import model_bytes

    folder = local.model_place(settings)
    size = model_bytes(settings, folder) if folder else 0
    return Needs(place.many, place.threads, place.cores, size, place.ray)


def in_turn(embedder: ResilientEmbedder, ask: Callable[[ResilientEmbedder, WorkT], AnswerT]) -> Pool[WorkT, AnswerT]:
    """Return the calling thread as the one worker; `ask` turns work into its answer."""
    return InTurn(embedder, ask)


def configured_target(settings: EmbeddingSettings) -> Target:
    """Return what is known of the configured target; nothing is loaded or sent.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    return _core(settings, Terms(), Ties()).target


def export_model(folder: Path, tell: Callable[[str], None]) -> Exported:
    """Make the ONNX file of the model in a folder; see `embed.stack.export`, which also says what is raised."""
    return export(folder, tell)


def why_float32(settings: EmbeddingSettings) -> str:
    """Return why a local model cannot be computed in the configured precision here; empty where it can.

    Raises:
        EmbedderInitFailed: the model's name cannot be one.
    """
    if not settings.is_local or settings.precision.value == FLOAT32:
        return ""
    return precision.why_float32(settings, local.model_place(settings))


def prove_precision(settings: EmbeddingSettings, texts: Callable[[int], Sequence[str]], of: str) -> Verdict:
    """Return what the configured precision, which can be computed here, is worth on so many texts `of` a file.

    Raises:
        EmbedError, EmbedderInitFailed: the model cannot be computed.
    """
    # Only the start of a run needs it.
    from ai_memory.embed.stack.proving import proved

    return proved(settings, local.model_place(settings) or Path(), texts, of, assemble)


def _possible(settings: EmbeddingSettings, ties: Ties) -> EmbeddingSettings:
    why = why_float32(settings)
    if not why:
        return settings
    if ties.tell:
        ties.tell(f"Vectors are computed in {FLOAT32}, not in {settings.precision.value}: {why}.")
    return replace(settings, precision=Sourced(FLOAT32, why))


def engines(settings: EmbeddingSettings) -> list[str]:
    """Return the engines that may compute a local model, in the order in which they are tried; nothing is loaded.

    Raises:
        EmbedderInitFailed: there is none, or the model's name cannot be one.
    """
    require_engine(settings)
    return engine_names(settings, local.model_place(settings))


def token_counter(settings: EmbeddingSettings) -> Callable[[str], int] | None:
    """Return what counts a document's tokens as the target does, None where its tokenizer is not on this machine.

    That of a remote model is looked for in `model_path` only.

    Raises:
        EmbedderInitFailed: the model's files cannot be used.
    """
    if settings.is_local:
        require_engine(settings)
        return local.token_counter(settings)
    return remote.token_counter(settings)


def _core(settings: EmbeddingSettings, terms: Terms, ties: Ties) -> Core:
    if settings.tier.value == KEYWORD or settings.backend.value == vendors.NO_BACKEND:
        raise NoEmbedder(
            f"the tier {settings.tier.value} ({settings.tier.source}) has embeddings turned off.",
            tip='Set tier = "semantic" in config.toml.',
        )
    if settings.is_local:
        require_engine(settings)
        make = partial(_engine, settings, ties, terms.threads)
        return local.core(settings, make, accelerated=is_accelerated(settings))
    return remote.core(settings, terms, ties)


def _engine(settings: EmbeddingSettings, ties: Ties, threads: int, folder: Path | None, target: Target) -> Engine[Any]:
    precise = precision.make_precise(settings, folder, threads=threads)
    return precise or make_engine(settings, ties, folder, target, threads=threads)
