"""Who wrote a vector, as `embedding_provenance` names them."""

from __future__ import annotations

SWEPT = "'reembed', 'backfill', 'import'"
"""The origins of what a sweep writes, as SQL lists them."""
