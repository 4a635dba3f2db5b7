"""What a sweep asks of a worker, and what comes back: frozen values, so that a worker may be another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_memory.embed.port import Pool
from ai_memory.embed.usage import Usage
from ai_memory.frozen import Frozen, field
from ai_memory.reembed.page import Page

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded, Outcome
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.vectors.target import Fingerprint

Sizes = Mapping[str, int]
"""What was learned of the size of a request, by name."""
Unwritable = Mapping[str, str] | None
"""Memories whose vectors the database refuses, by id, with its words; None as long as it has refused nothing."""
KNOWN = 8
"""Texts that are asked by themselves to know what is right, where a remedy is sought. Of 2026-11-25, not measured."""
TRIES = 3
"""Requests that must be right before a remedy is believed. Of 2026-11-25, not measured."""


class Again(Frozen):
    """Which rows of a page are asked again.

    `rows` of them, spread over requests of `size` texts; with `alone` when nothing else is in flight.
    """

    rows: int = 0
    size: int = 0
    alone: bool = False

    @property
    def texts(self) -> int:
        """How many texts that sends: one of an earlier page goes with them."""
        return self.rows + bool(self.rows)


class EmbedPage(Frozen):
    """Embed a page's documents and ask some of its rows `again`, chosen by `seed`.

    Where those agree, `link` is asked again with them: a row of the page that was written last. `sizes` were learned
    by others.
    """

    page: Page
    again: Again = field(default_factory=Again)
    link: tuple[Embedded, ...] = ()
    seed: int = 0
    sizes: Sizes = field(default_factory=dict)


class AskWitness(Frozen):
    """Ask for the witness texts of the target: no page after it is committed before they agree."""

    target: Fingerprint
    sizes: Sizes = field(default_factory=dict)
    page: Page = field(default_factory=Page)
    again: Again = field(default_factory=Again)


class AskAgain(Frozen):
    """Ask for `rows` by themselves; where they agree, with them for `link`: rows of an earlier page.

    With `finishing` a stop lets these requests begin all the same.
    """

    rows: tuple[Embedded, ...]
    link: tuple[Embedded, ...] = ()
    finishing: bool = False
    sizes: Sizes = field(default_factory=dict)


class AskAtEnd(Frozen):
    """Ask for `rows` in as few requests as can be, and tell those that got another vector than before."""

    rows: tuple[Embedded, ...]
    sizes: Sizes = field(default_factory=dict)


class FindRemedy(Frozen):
    """Find out in what company the vectors of a page are right, some of which `differing` are not; `tried` failed."""

    outcomes: tuple[Outcome, ...]
    differing: tuple[Embedded, ...]
    tried: int
    sizes: Sizes = field(default_factory=dict)

    @property
    def texts(self) -> int:
        """How many texts that sends at most."""
        # Twice those known; the page TRIES times; parts of it TRIES times at half, quarter, … of its size.
        return 2 * KNOWN + 2 * TRIES * len(self.outcomes)


Work = EmbedPage | AskWitness
"""What pages in flight are."""
Question = Work | AskAgain | AskAtEnd | FindRemedy
"""All that a worker can be asked; what is not a `Work` is asked with nothing else in flight."""


class Learned(Frozen):
    """What a worker knows of its endpoint: `sizes` to be kept in the run, and the texts that a request carries now.

    Of a model on this machine: the `engine` that computes it, and on how many `threads`.
    """

    sizes: Sizes = field(default_factory=dict)
    inputs: int = 0
    engine: str = ""
    threads: int = 0

    @classmethod
    def by(cls, embedder: ResilientEmbedder) -> Learned:
        """Return what an embedder knows."""
        target = embedder.target
        return cls(embedder.learned(), embedder.max_batch, target.engine, target.threads)


class PageAnswer(Frozen):
    """What became of a page's documents, or the error that ended its requests.

    `asked` are the rows that got a vector when they were asked again, by id; the `differing` ones got another.
    `put_out` says of an answer to the witness that some of the workers have other weights, and are asked no more.
    `remedy` is within what sizes to ask from now on. `usage` is what this work alone cost, `learned` what the worker
    knew at its end.
    """

    outcomes: tuple[Outcome, ...] = ()
    asked: tuple[str, ...] = ()
    differing: tuple[Embedded, ...] = ()
    error: BaseException | None = None
    remedy: Sizes = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    learned: Learned | None = None
    put_out: bool = False


class Answered(Frozen):
    """A page (one without rows where rows of many were asked) with what became of its documents, or the error instead.

    `asked` of its rows were asked again, by id, the `differing` ones got another vector. `waited` says that the answer
    had to be waited for, `unwritable` which of the vectors the database refuses, `put_out` that some workers have other
    weights, and are asked no more. `unwritten` are vectors, by the hash of their text, that came for rows of earlier
    pages which could not be given them.
    """

    page: Page = field(default_factory=Page)
    outcomes: tuple[Outcome, ...] = ()
    error: BaseException | None = None
    asked: tuple[str, ...] = ()
    differing: tuple[Embedded, ...] = ()
    waited: bool = False
    unwritable: Unwritable = None
    put_out: bool = False
    unwritten: Mapping[bytes, bytes] = field(default_factory=dict)


Workers = Pool[Question, PageAnswer]
"""Who answers: what an error of the endpoint comes to stands in the answer, a future only fails where a worker did."""
