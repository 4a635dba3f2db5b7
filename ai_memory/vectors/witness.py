"""The texts whose vectors tell one set of weights from another."""

from __future__ import annotations

WITNESS_TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Database migrations must survive power cuts, retries and impatient operators.",
    "Zürich, 東京 and São Paulo keep their memories in UTF-8.",
)
"""Fixed texts whose vectors tell one set of weights from another of the same name."""
CANARY = WITNESS_TEXTS[0]
"""A harmless text: where it passes and another does not, the endpoint is not at fault."""
