"""The chain around an embedder of either kind; knows no settings.

A batch passes it from the outside in:

- `SplittingEmbedder`: the one place where a batch is cut into requests;
- `RetryingEmbedder`: an attempt after another, each in a slot of the concurrency limiter;
- `PackingEmbedder`: base64 or numbers;
- `BudgetedEmbedder`: the limit of tokens, asked before each attempt;
- what `make` returns.

`ObservedLimiter` watches the slots where requests are traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.embed.flow.concurrency import ConcurrencyLimiter
from ai_memory.embed.flow.observed_limiter import ObservedLimiter
from ai_memory.embed.flow.request_size import RequestSize
from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.flow.token_budget import BudgetedEmbedder, TokenBudget
from ai_memory.embed.http.packing import PackingEmbedder
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.embed.flow.documented import DocumentedLimits
    from ai_memory.embed.flow.limiter import Limiter
    from ai_memory.embed.http.packing import Packing
    from ai_memory.embed.port import Embedder
    from ai_memory.embed.terms import Terms, Ties
    from ai_memory.vectors.target import Target


class Core(Frozen):
    """What the chain is put around, and what it must know of it.

    `target` is what is known of the model before it is asked. `make` returns the embedder, one attempt per call; its
    requests pass the limiter that it is given. `concurrency` is how many may be in flight at most, found by trial
    unless the `level_is_known`; `limits` is what is documented of one, `packing` the form of its vectors.
    `count_tokens` returns what counts the tokens of a text, and may take a while.
    """

    target: Target
    make: Callable[[Limiter], Embedder]
    concurrency: int
    limits: DocumentedLimits
    packing: Packing
    count_tokens: Callable[[], Callable[[str], int] | None]
    level_is_known: bool = False


def chained(core: Core, terms: Terms, ties: Ties) -> SplittingEmbedder:
    """Return the embedder that `core` makes, with the chain around it.

    Raises:
        AiMemoryError: it cannot be made; see `core`.
    """
    sizes = RequestSize(core.limits, asked=terms.batch)
    concurrency = _limiter(core, terms, ties, sizes)
    limiter = ObservedLimiter(concurrency, ties.trace) if ties.trace else concurrency
    bare = core.make(limiter)
    # Loading a tokenizer takes time that only a limit of tokens needs.
    count = core.count_tokens() if terms.limit else None
    spending = TokenBudget(bare.meter, terms.limit, prefix=core.target.document_prefix, count_tokens=count)
    asking = PackingEmbedder(BudgetedEmbedder(bare, spending), core.packing)
    retrying = RetryingEmbedder(asking, stop=ties.stop, retry_policy=terms.retry_policy, limiter=limiter)
    return SplittingEmbedder(retrying, sizes, spending, ties.tell)


def _limiter(core: Core, terms: Terms, ties: Ties, sizes: RequestSize) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(
        most=core.concurrency,
        fixed=core.level_is_known or terms.concurrency is not None,
        stop=ties.stop,
        closed=ties.closed,
        sizes=sizes,
        longest_wait=terms.retry_policy.longest_wait,
    )
