"""The embedders by which a file may be searched, and by which a text that is stored is embedded, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import EmbedderInitFailed
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.errors import AiMemoryError
    from ai_memory.stores.values import KeptTarget


class Choice(Frozen):
    """An embedder and the space of its vectors, `dim` 0 where only its answer tells.

    `claims_unstamped`: vectors of its width that nothing tells the space of are its own. `of_file`: the file says that
    it gave vectors of that very space and width.
    """

    space: str
    dim: int
    settings: EmbeddingSettings
    claims_unstamped: bool = False
    of_file: bool = False

    def is_of(self, space: str | None, dim: int | None) -> bool:
        """Return whether vectors of that space and width are its own."""
        return space == self.space and (not self.dim or dim in (None, self.dim))

    def may_claim(self, dim: int) -> bool:
        """Return whether vectors of that width that nothing tells the space of may be its own."""
        return self.claims_unstamped and self.dim in (0, dim)

    def require_kept(self, space: str, dim: int) -> None:
        """Check that the embedder gives vectors of the space that the file says.

        Raises:
            EmbedderInitFailed: it gives others.
        """
        if self.of_file and not self.is_of(space, dim):
            raise EmbedderInitFailed(
                f"what gave them gives vectors of {space}, {dim} wide, now.", tip="Bring the old model back."
            )


class Failure(Frozen):
    """Why the vectors of a space are not compared; `in_use`: it is that of the configured embedder."""

    space: str
    error: AiMemoryError
    in_use: bool = False


class Chosen(Frozen):
    """The embedders that a query of a file is sent to, the configured one first, and the spaces of those that are not.

    `known` are the targets to which vectors of the file are recorded.
    """

    choices: tuple[Choice, ...] = ()
    refused: tuple[Failure, ...] = ()
    known: tuple[KeptTarget, ...] = ()


class Wanted(Frozen):
    """Vectors that memories are to get, of a space ("": of whatever the embedder gives), `dim` None if not known.

    With a `target`, that of the run, each memory gets one of it; else those that have no vector that is served.
    `only_back`: only the way back needs them.
    """

    space: str = ""
    dim: int | None = None
    target: int | None = None
    only_back: bool = False

    def named(self, vector: str) -> str:
        """Return the words for what a text is stored without where nobody gives it: `vector`, of which space."""
        return f"{vector} of {printable(self.space)}" if self.space else vector


ANY = Wanted()
"""Whatever the embedder gives that alone is asked."""
