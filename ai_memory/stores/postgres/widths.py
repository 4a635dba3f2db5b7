"""Which widths of vectors the memories take: a column of pgvector has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import SchemaRefused

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.vectors.target import Fingerprint


def require_width(store: Store, target: Fingerprint) -> None:
    """Check that the column of the memories takes the vectors of a target; one whose width is not known yet passes.

    Raises:
        SchemaRefused: it takes another width.
    """
    width = store.schema.form.width
    if width is not None and target.dim and width != target.dim:
        raise SchemaRefused(
            f"{store.name}: memories.embedding takes vectors of {width} numbers, and the target's have {target.dim}.",
            tip="ai-memory does not change the width of that column yet: configure a model, or a dim, of that width.",
        )
