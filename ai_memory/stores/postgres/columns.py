"""The columns of the memories that are read: those that must be there, and what stands for those that are not."""

from __future__ import annotations

REQUIRED = ("id", "namespace", "title", "content", "embedding")
OPTIONAL = {
    "expires_at": "NULL::timestamptz",
    "lifecycle_state": "'open'",
    "encrypted_envelope": "NULL::bytea",
    "embedding_dim": "NULL::integer",
    "embedding_space": "NULL::text",
    "access_count": "0",
    "last_accessed_at": "NULL::timestamptz",
    "priority": "5",
}
LIVE = {
    "expires_at": "(m.expires_at IS NULL OR m.expires_at > now())",
    "lifecycle_state": "coalesce(m.lifecycle_state, 'open') NOT IN ('tombstoned', 'quarantined', 'contaminated')",
}
