"""What an embedder can end with while a command can do without it."""

from __future__ import annotations

from ai_memory.errors import (
    EmbedderInitFailed,
    EmbedError,
    EndpointUnusable,
    NoEmbedder,
    SchemaRefused,
    TargetChanged,
)

EMBEDDER_ERRORS = (NoEmbedder, EmbedderInitFailed, EmbedError, EndpointUnusable, TargetChanged)
"""What an embedder can end with; texts are stored, and words searched, all the same."""
VECTOR_ERRORS = (*EMBEDDER_ERRORS, SchemaRefused)
"""What the vectors of texts that are stored can end with: also that the database takes none of that width."""
