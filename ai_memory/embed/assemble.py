"""From the resolved settings to the embedder that commands use: the one way to get one, in whatever process.

A batch passes the stack from the outside in:

- `TimeLimitedEmbedder`: somebody waits, all calls have one deadline;
- `SplittingEmbedder`: the one place where a batch is cut into requests;
- `RetryingEmbedder`: an attempt after another, each in a slot of the concurrency limiter;
- `PackingEmbedder`: base64 or numbers;
- `BudgetedEmbedder`: the limit of tokens, asked before each attempt;
- `HttpEmbedder`, or `LimitedEmbedder` around `LocalEmbedder`.

`ObservedLimiter` watches the slots where requests are traced.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from ai_memory.config import vendors
from ai_memory.config.embedding import AUTO, BASE64, KEYWORD, EmbeddingSettings
from ai_memory.embed.buildable import require_buildable
from ai_memory.embed.flow.concurrency import ConcurrencyLimiter, LimitedEmbedder
from ai_memory.embed.flow.documented import documented_limits
from ai_memory.embed.flow.limiter import Limiter, Unlimited
from ai_memory.embed.flow.observed_limiter import ObservedLimiter
from ai_memory.embed.flow.request_size import RequestSize
from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.flow.time_limit import TimeLimit, TimeLimitedEmbedder
from ai_memory.embed.flow.token_budget import BudgetedEmbedder, TokenBudget
from ai_memory.embed.http.deadline import Deadlines
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.ollama import OllamaDialect, tag
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.packing import Packing, PackingEmbedder
from ai_memory.embed.http.transport import Endpoint
from ai_memory.embed.local import model_folder
from ai_memory.embed.local.cache import cached_folder
from ai_memory.embed.local.embedder import LocalEmbedder
from ai_memory.embed.local.engine_torch import TorchEngine, require_library
from ai_memory.embed.local.tokens import token_count
from ai_memory.embed.local.weights import weights
from ai_memory.embed.pools.in_turn import InTurn
from ai_memory.embed.pools.threads import ThreadPool
from ai_memory.embed.port import Embedder, ModelFacts, Pool, ResilientEmbedder, RetryPolicy, Stop, TokenLimit
from ai_memory.errors import EmbedderInitFailed, NoEmbedder
from ai_memory.memory.document import TEMPLATE_VERSION
from ai_memory.system.process_env import keep_off_model_hub
from ai_memory.text import address
from ai_memory.vectors import space
from ai_memory.vectors.target import LOCAL, Target

if TYPE_CHECKING:
    from ai_memory.embed.http.wire import Dialect

DOCUMENT_PREFIX = "search_document: "
QUERY_PREFIX = "search_query: "
LOADING = 300.0
"""Seconds in which a local server has loaded its model; Ollama's own limit for that (OLLAMA_LOAD_TIMEOUT)."""
HTTP_CONCURRENCY = 32
OLLAMA_CONCURRENCY = 4
"""Ollama serves few requests of one model side by side and queues the rest (OLLAMA_NUM_PARALLEL)."""
WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")
QUICK = RetryPolicy(retry_for=5.0, attempts=3, rate_for=5.0)
PERSON_WAITS = 10.0
"""Seconds that somebody at a terminal, or an agent in a conversation, waits for a vector."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms an endpoint is asked; with the settings it can be sent to another process.

    `concurrency` is the number of requests in flight (None: found by trial). `limit` is what may be spent (None: any
    amount). `batch` is the most texts of a request (None: as many as the endpoint takes).
    """

    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int | None = None
    limit: TokenLimit | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties an embedder to the process that asks it; none of it can be sent to another.

    `stop` ends waits, and no request begins while it is `closed` (None: once `stop` came). `tell` is told what a person
    should know of the endpoint, `trace` of each request, from any thread.
    """

    stop: Stop = field(default_factory=Event)
    closed: Callable[[], bool] | None = None
    tell: Callable[[str], None] | None = None
    trace: Callable[[str], None] | None = None


def assemble(settings: EmbeddingSettings, terms: Terms | None = None, ties: Ties | None = None) -> SplittingEmbedder:
    """Return the configured embedder; nothing is loaded or sent yet.

    Raises:
        NoEmbedder: the tier has embeddings turned off.
        EmbedderInitFailed: what is configured cannot be built; nothing else is taken instead.
    """
    terms, ties = terms or Terms(), ties or Ties()
    sizes = RequestSize(documented_limits(settings.base_url.value), asked=terms.batch)
    concurrency = _concurrency(settings, terms, ties, sizes)
    limiter = ObservedLimiter(concurrency, ties.trace) if ties.trace else concurrency
    packing = _packing(settings, ties.tell)
    bare = _bare(settings, limiter, packing)
    limited = LimitedEmbedder(bare, limiter) if settings.backend.value == LOCAL else bare
    # Loading a tokenizer takes time that only a limit of tokens needs.
    count = token_counter(settings) if terms.limit else None
    spending = TokenBudget(bare.meter, terms.limit, prefix=bare.target.document_prefix, count_tokens=count)
    asking = PackingEmbedder(BudgetedEmbedder(limited, spending), packing)
    retrying = RetryingEmbedder(asking, stop=ties.stop, retry_policy=terms.retry_policy, limiter=limiter)
    return SplittingEmbedder(retrying, sizes, spending, ties.tell)


def assemble_interactive(settings: EmbeddingSettings) -> ResilientEmbedder:
    """Return the configured embedder for somebody who waits: an endpoint has ten seconds, whatever it does.

    A local model has the time it takes.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    stop = Event()
    embedder = assemble(settings, Terms(QUICK), Ties(stop))
    if settings.backend.value == LOCAL:
        return embedder
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


def in_turn(embedder: ResilientEmbedder, ask: Callable[[ResilientEmbedder, WorkT], AnswerT]) -> Pool[WorkT, AnswerT]:
    """Return the calling thread as the one worker; `ask` turns work into its answer."""
    return InTurn(embedder, ask)


def configured_target(settings: EmbeddingSettings) -> Target:
    """Return what is known of the configured target; nothing is loaded or sent.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    return _bare(settings, Unlimited(1), Packing(fixed=False)).target


def token_counter(settings: EmbeddingSettings) -> Callable[[str], int] | None:
    """Return what counts a document's tokens as the target does, None where its tokenizer is not on this machine.

    That of a remote model is looked for in `model_path` only.

    Raises:
        EmbedderInitFailed: the model's files cannot be used.
    """
    if settings.backend.value == LOCAL:
        require_library()
        folder = _folder(settings)
    else:
        folder = settings.model_path.value if importlib.util.find_spec("tokenizers") else None
    count = token_count(folder) if folder else None
    if count is None or settings.backend.value == LOCAL or not _prefixed(settings.model.value):
        return count
    return lambda text: count(DOCUMENT_PREFIX + text)


def deadlines(settings: EmbeddingSettings) -> Deadlines:
    """Return how long a remote endpoint is waited for.

    Longer for the first answer of one that may have its model to load before; as configured where that is said.
    """
    if seconds := settings.timeout_seconds.value:
        return Deadlines(read=seconds, total=2 * seconds, first=seconds)
    loads = settings.backend.value == vendors.OLLAMA or address.read(settings.base_url.value).is_loopback
    return Deadlines(first=LOADING) if loads else Deadlines()


def _concurrency(settings: EmbeddingSettings, terms: Terms, ties: Ties, sizes: RequestSize) -> ConcurrencyLimiter:
    usual = OLLAMA_CONCURRENCY if settings.backend.value == vendors.OLLAMA else HTTP_CONCURRENCY
    return ConcurrencyLimiter(
        most=1 if settings.backend.value == LOCAL else terms.concurrency or usual,
        fixed=terms.concurrency is not None,
        stop=ties.stop,
        closed=ties.closed,
        sizes=sizes,
        longest_wait=terms.retry_policy.longest_wait,
    )


def _packing(settings: EmbeddingSettings, tell: Callable[[str], None] | None) -> Packing:
    if settings.backend.value in (LOCAL, vendors.OLLAMA):
        return Packing(fixed=False)
    configured = settings.encoding_format.value
    return Packing(fixed=configured == BASE64 if configured != AUTO else None, tell=tell)


def _bare(settings: EmbeddingSettings, limiter: Limiter, packing: Packing) -> Embedder:
    """Return the innermost embedder, one attempt per call; its requests pass `limiter`, asked as `packing` says.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    if settings.tier.value == KEYWORD or settings.backend.value == vendors.NO_BACKEND:
        raise NoEmbedder(
            f"the tier {settings.tier.value} ({settings.tier.source}) has embeddings turned off.",
            tip='Set tier = "semantic" in config.toml.',
        )
    return _local(settings) if settings.backend.value == LOCAL else _remote(settings, limiter, packing)


def _prefixed(model: str) -> bool:
    """Return whether a remote server wants the task's name before each text of a model."""
    return "nomic-embed" in space.model_id(model)


def _local(settings: EmbeddingSettings) -> Embedder:
    require_library()
    offline = _off_the_hub(settings)
    folder, named = _folder(settings), settings.model.value
    if folder is None and offline:
        raise EmbedderInitFailed(
            f"the model {named} ({settings.model.source}) is not on this machine and may not be downloaded.",
            tip="Set [embeddings].model_path to its folder, or download it once without AI_MEMORY_EMBED_OFFLINE.",
        )
    facts = model_folder.inspect(folder) if folder else None
    target = Target(
        space=space.local_space(named) if named or not folder else _folder_space(folder),
        dim=_local_dim(settings, facts),
        backend=LOCAL,
        model=named or (folder.name if folder else ""),
        normalized=bool(facts and (facts.normalized or 0 < settings.dim.value < facts.dim)),
        max_tokens=facts.max_tokens if facts else 0,
        template_version=TEMPLATE_VERSION,
    )
    engine = TorchEngine(str(folder or named), device=settings.device.value, offline=offline or bool(folder))
    return LocalEmbedder(target, engine)


def _off_the_hub(settings: EmbeddingSettings) -> bool:
    """Return whether the model hub may not be asked: it is a host like any other, under the egress policy."""
    return settings.offline.value or settings.egress.value != "allow"


def _folder(settings: EmbeddingSettings) -> Path | None:
    """Return where the model's files lie on this machine, None where they do not."""
    if settings.model_path.value:
        return settings.model_path.value
    if _off_the_hub(settings):
        keep_off_model_hub()
    return cached_folder(settings.model.value)


def _folder_space(folder: Path) -> str:
    return space.folder_space(folder, weights(folder))


def _local_dim(settings: EmbeddingSettings, facts: ModelFacts | None) -> int:
    """Return the width to give out: the configured one, else the model's, 0 where only loading can tell."""
    if facts and settings.dim.value > facts.dim:
        raise EmbedderInitFailed(
            f"dim is {settings.dim.value} ({settings.dim.source}) and the model gives {facts.dim}.",
            tip="Correct or remove [embeddings].dim.",
        )
    return settings.dim.value or (facts.dim if facts else 0)


def _remote(settings: EmbeddingSettings, limiter: Limiter, packing: Packing) -> Embedder:
    base_url, model = settings.base_url.value, settings.model.value
    require_buildable(settings)
    key = settings.api_key.value
    ollama = settings.backend.value == vendors.OLLAMA
    prefixed = _prefixed(model)
    target = Target(
        space=space.space(model),
        dim=settings.dim.value or space.known_dim(model),
        backend=vendors.OLLAMA if ollama else vendors.OPENAI_COMPATIBLE,
        model=model,
        document_prefix=DOCUMENT_PREFIX if prefixed else "",
        query_prefix=QUERY_PREFIX if prefixed else "",
        template_version=TEMPLATE_VERSION,
    )
    return HttpEmbedder(
        target,
        _dialect(model, settings.dim.value, ollama=ollama),
        Endpoint(
            base_url,
            key.reveal() if key else "",
            deadlines(settings),
            loopback_only=settings.egress.value != "allow",
        ),
        max_batch=documented_limits(base_url).inputs,
        limiter=limiter,
        packing=packing,
    )


def _dialect(model: str, dim: int, *, ollama: bool) -> Dialect:
    if not ollama:
        return OpenAiDialect(model, dim)
    # Older Ollamas know no `dimensions`: it is sent only where it would change something.
    return OllamaDialect(tag(model), dim if dim != space.known_dim(model) else 0)
