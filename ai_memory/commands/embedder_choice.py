"""The embedders by which a file may be searched, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.errors import EmbedderInitFailed

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.errors import AiMemoryError
    from ai_memory.stores.values import KeptTarget


@dataclass(frozen=True, slots=True)
class Choice:
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

    def require_kept(self, space: str, dim: int) -> None:
        """Check that the embedder gives vectors of the space that the file says.

        Raises:
            EmbedderInitFailed: it gives others.
        """
        if self.of_file and not self.is_of(space, dim):
            raise EmbedderInitFailed(
                f"what gave them gives vectors of {space}, {dim} wide, now.", tip="Bring the old model back."
            )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the vectors of a space are not compared; `in_use`: it is that of the configured embedder."""

    space: str
    error: AiMemoryError
    in_use: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The embedders that a query of a file is sent to, the configured one first, and the spaces of those that are not.

    `known` are the targets to which vectors of the file are recorded.
    """

    choices: tuple[Choice, ...] = ()
    refused: tuple[Failure, ...] = ()
    known: tuple[KeptTarget, ...] = ()
