"""The seams of embedding: who gives vectors, what computes them on this machine, and who works beside others.

Whoever asks for vectors knows these protocols alone; only `assemble` knows who stands behind them. One suite shows that
each embedder keeps what is said here: tests/embed/conformance.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ai_memory.frozen import Frozen
from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from ai_memory.embed.usage import Meter
    from ai_memory.errors import EmbedError
    from ai_memory.vectors.target import Target, Vectors

ReadT = TypeVar("ReadT", bound=Sized)
WorkT_contra = TypeVar("WorkT_contra", contravariant=True)
AnswerT = TypeVar("AnswerT")


LOCAL_RAY = "ray"
"""A Ray of our own, on this machine alone."""
Where = int | str
"""Where a local model is computed: in so many processes here, by LOCAL_RAY, or by the cluster at an address."""


class Stop(Protocol):
    """What ends waits at once; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Return whether to stop."""

    def wait(self, timeout: float, /) -> bool:
        """Wait for the stop, `timeout` seconds at most; return whether it came."""


class RetryPolicy(Frozen):
    """How long one request is retried: `retry_for` seconds from its first failure, `attempts` times (0: any number).

    An endpoint that names a wait for its rate has not failed: it is obeyed for `rate_for` seconds at least. `at_once`
    says that what may be the fault of the texts is not retried at all.
    """

    retry_for: float = 120.0
    attempts: int = 0
    rate_for: float = 60.0
    at_once: bool = False

    @property
    def longest_wait(self) -> float:
        """The longest wait that is kept where an endpoint names it, in seconds."""
        return max(self.retry_for, self.rate_for)


ONE_ATTEMPT = RetryPolicy(attempts=1)
"""For a canary: what it meets now is the answer."""


class Embedder(Protocol):
    """Turns texts into vectors of one target; any thread may call.

    One call is one attempt: it raises a subclass of `EmbedError` and never retries by itself.
    What is heavy, a model or a connection, is loaded by the first call, not before.
    """

    @property
    def target(self) -> Target:
        """What is known of the target; its `dim` may be 0 until the first vectors came."""

    @property
    def max_batch(self) -> int:
        """The most texts one call may carry, at least one."""

    @property
    def concurrency(self) -> int:
        """How many calls may usefully run at once, at least one (1: calls must not overlap)."""

    @property
    def meter(self) -> Meter:
        """What this embedder has spent so far."""

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry, at least one: also by their tokens and bytes."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Of no texts: shape (0, dim), and nothing is loaded or sent.

        Raises:
            EmbedError: its subclass says whether a retry, a smaller batch or a person can help.
            EmbedderInitFailed: a local model cannot be loaded, or is another than its files said.
        """

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError, EmbedderInitFailed: see `embed_documents`.
        """

    def close(self) -> None:
        """Let go of connections and models. A second call does nothing; a call for vectors opens them again."""


class ResilientEmbedder(Embedder, Protocol):
    """An embedder that retries by itself, divides a batch into requests, and learns how much its endpoint takes."""

    def with_retry_policy(self, retry_policy: RetryPolicy) -> ResilientEmbedder:
        """Return the same embedder with another retry policy."""

    def at_once(self) -> ResilientEmbedder:
        """Return the same embedder that does not retry what may be its texts' fault."""

    def each(self, texts: Sequence[str]) -> Iterator[Vectors | EmbedError]:
        """Yield what became of each text: its vector, or the error that may be its own fault.

        Raises:
            EmbedError: a request failed in a way that says nothing about its texts.
        """

    def learned(self) -> dict[str, int]:
        """Return what was learned of the endpoint's limits: plain numbers by name."""

    def restore(self, learned: Mapping[str, int]) -> None:
        """Take over what an earlier process learned."""


class ModelFacts(Frozen):
    """Width of a model's vectors, tokens after which it cuts a text (0: no cut), and whether it normalises.

    `engine` says what computes them, for people, on so many `threads` (0: not known); empty where nothing is loaded.
    """

    dim: int
    max_tokens: int
    normalized: bool
    engine: str = ""
    threads: int = 0

    @property
    def library(self) -> str:
        """The library and its release, without what is said of it."""
        return self.engine.partition(" (")[0]


def in_precision(engine: str, precision: str) -> str:
    """Return the name of what computes, a library with its release, where it computes in a number format."""
    return engine if precision == FLOAT32 else f"{engine} in {precision}"


class Engine(Protocol[ReadT]):
    """Computes vectors on this machine: one model in one library. Two calls of one method must not overlap.

    It knows no prompts, no order and no sizes: which texts share a forward pass is `LocalEmbedder`'s to say, by which
    two engines of the same weights get the same batches. A `ReadT` is one text as the model reads it: its len() is
    its number of tokens, all else is the engine's own. Once `facts` were told, texts may be read while others are
    computed.
    """

    @property
    def device(self) -> str:
        """What computes: "cpu", or the library's name of an accelerator; known once `facts` were told."""

    def facts(self) -> ModelFacts:
        """Return what the loaded model is; the first call loads it.

        Raises:
            EmbedderInitFailed: it cannot be loaded, or its files are not those of a whole model.
        """

    def tokenize(self, texts: Sequence[str]) -> Sequence[ReadT]:
        """Return texts as the model reads them, in order, each cut after `max_tokens` tokens.

        Raises:
            RowsRefused: the model cannot read one of them.
        """

    def run(self, texts: Sequence[ReadT]) -> Vectors:
        """Return what the model computes in one forward pass: float32, shape (n, dim of the model), in order.

        All are filled up to the longest of them.

        Nothing is scaled or cut that the model itself does not, and NaN is not looked for.

        Raises:
            RowsRefused: the model cannot take them, or the device has no memory for them.
        """

    def close(self) -> None:
        """Let go of the model. A second call does nothing; another call loads it again."""


class Pool(Protocol[WorkT_contra, AnswerT]):
    """Workers that embed beside each other: threads, processes or other machines.

    What is submitted and what comes back are frozen values that can be pickled, errors too.
    """

    @property
    def capacity(self) -> int:
        """How much work may usefully be under way now, at least one; it moves with what embedders learn."""

    @property
    def failure(self) -> str:
        """What a request that is retried just now came to, as far as it is seen from here; empty where none is."""

    @property
    def judges(self) -> bool:
        """Whether workers of other weights than the others are asked no more, once they are asked for the witness."""

    def submit(self, work: WorkT_contra) -> Future[AnswerT]:
        """Return the answer to come of whichever worker takes `work`, its error as the future's exception.

        Raises:
            RuntimeError: the pool is closed.
        """

    def witness(self, work: WorkT_contra) -> Sequence[Future[AnswerT]]:
        """Return the answers to come of EVERY worker to `work`, which asks for the witness texts.

        Workers may hold different weights of one name, which no other worker's answer would show.

        Raises:
            RuntimeError: the pool is closed.
        """

    def close(self) -> None:
        """Take no more work, drop what was not begun, wait for the rest, and close the workers' embedders.

        A second call does nothing.
        """


class Outcasts(Frozen, Generic[AnswerT]):
    """What becomes of a worker whose answer to the witness `differs` from that of others: `put_out` is its answer."""

    differs: Callable[[AnswerT], bool]
    put_out: Callable[[AnswerT], AnswerT]


class TokenLimit(Frozen):
    """At most `most` tokens, by the flag `flag`."""

    most: int
    flag: str = "max-tokens"


class Spending(Protocol):
    """What may be spent: what whoever takes up work asks before it does."""

    @property
    def limit(self) -> TokenLimit | None:
        """What was allowed, None where any amount is."""

    @property
    def spent(self) -> int:
        """Tokens spent so far: those reported, and an estimate of those that are not known."""

    def most(self, texts: Sequence[str]) -> int:
        """Return how many tokens `texts` can have at most; 0 without a limit."""

    def allows(self, tokens: int) -> bool:
        """Return whether so many tokens more, beside what was spent, are within the limit."""


class AnyAmount:
    """The spending of those who have no limit."""

    limit: TokenLimit | None = None
    spent = 0

    def most(self, texts: Sequence[str]) -> int:  # noqa: ARG002 - nothing is estimated
        """Return 0."""
        return 0

    def allows(self, tokens: int) -> bool:  # noqa: ARG002 - whatever they are
        """Return True."""
        return True
