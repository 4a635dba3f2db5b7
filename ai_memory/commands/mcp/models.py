"""Local models that stay loaded between calls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.embed.terms import Terms, Ties

MOST = 3
"""A file on its way from one model to another needs two; what was not used for longest is let go. A choice."""


class Models:
    """Embedders by their settings: that of a local model is made once, and shared by whoever asks for it.

    It computes for several threads at once (`embed.local.shared_passes`). An embedder of an endpoint costs nothing, and
    has a deadline for each who waits: it is made anew.
    """

    def __init__(self) -> None:
        """Begin without a model."""
        self._kept: list[tuple[EmbeddingSettings, ResilientEmbedder]] = []
        self._lock = threading.Lock()

    def make(self, settings: EmbeddingSettings, terms: Terms, ties: Ties) -> ResilientEmbedder:
        """Return the embedder; see `embed.assemble.assemble`, which also says what is raised."""
        from ai_memory.embed.assemble import assemble

        if not settings.is_local:
            return assemble(settings, terms, ties)
        with self._lock:
            found = [each for each in self._kept if each[0] == settings] or [
                (settings, assemble(settings, terms, ties))
            ]
            self._kept = [*(each for each in self._kept if each[0] != settings), *found][-MOST:]
            return found[0][1]

    def for_person(self, settings: EmbeddingSettings, ties: Ties) -> ResilientEmbedder:
        """Return the embedder for somebody who waits; see `embed.assemble.assemble_interactive`."""
        from ai_memory.embed.assemble import assemble_interactive

        return assemble_interactive(settings, ties, make=self.make)
