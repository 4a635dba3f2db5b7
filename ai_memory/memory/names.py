"""The namespaces that are ai-memory's own."""

from __future__ import annotations

SUBSTRATE = ("_curator/reports", "_messages", "_inbox", "_subscriptions")
SUBSTRATE_EXACT = ("_agents", "_agent_sessions")


def is_substrate(namespace: str) -> bool:
    """Return whether a namespace belongs to ai-memory itself; such are swept only when named."""
    below = any(namespace == root or namespace.startswith(f"{root}/") for root in SUBSTRATE)
    return below or namespace in SUBSTRATE_EXACT
