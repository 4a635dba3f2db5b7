"""The header that carries a key."""

from __future__ import annotations

from ai_memory.text import address

_AZURE = (
    # Azure OpenAI and AI Foundry, REST reference, "Authentication"; the clouds of two governments beside the public one
    "openai.azure.com",
    "openai.azure.us",
    "openai.azure.cn",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
)


def key_header(base_url: str, key: str) -> tuple[str, str]:
    """Return name and value of the header that carries a key: Azure's is told by its host, or by its api-version."""
    asked = address.read(base_url)
    if asked.query or any(asked.host.endswith(f".{suffix}") for suffix in _AZURE):
        return "api-key", key
    return "Authorization", f"Bearer {key}"
