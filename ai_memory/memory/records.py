"""Frozen values that travel between the store and the commands."""

from __future__ import annotations

from collections.abc import Mapping

from ai_memory.frozen import Frozen

DEFAULT_NAMESPACE = "global"
MAX_NAMESPACE = 512
"""Characters of a namespace."""
OF_VECTOR = frozenset({"embedding", "embedding_dim", "embedding_space"})
"""The columns of a memory's vector: what a person writes, exports and imports is all the others."""

Value = str | int | float | bytes | None
"""What one column of one row holds. In a text, a byte that is not UTF-8 is a lone surrogate (PEP 383)."""


class Memory(Frozen):
    """One memory as it stands in the file: every stored column but those of its vector, by name."""

    values: Mapping[str, Value]

    @property
    def id(self) -> str | None:
        """Its id; None where it is not text, which no command can address."""
        found = self.values["id"]
        return found if isinstance(found, str) else None

    @property
    def namespace(self) -> str:
        """The namespace it stands in."""
        return str(self.values["namespace"])

    @property
    def title(self) -> str:
        """Its title, unique in the namespace."""
        return str(self.values["title"])

    @property
    def content(self) -> str:
        """Its content, empty when encrypted."""
        return str(self.values["content"])

    @property
    def encrypted(self) -> bool:
        """Whether its content is in an envelope that only the recipient can open."""
        return self.values.get("encrypted_envelope") is not None and self.content == ""


class Draft(Frozen):
    """A memory that somebody wants stored: the columns given, by name; `where` says where it was given."""

    values: Mapping[str, Value]
    where: str = ""


class Hit(Frozen):
    """A memory found by recall.

    `score` is what the answer is ordered by (see `blend`): it means nothing beside another answer's. `cosine` is that
    of the vectors, None where the memory's was not compared.
    """

    id: str | None
    namespace: str
    title: str
    content: str
    score: float
    cosine: float | None
