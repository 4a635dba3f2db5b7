"""What the vendors document of one request."""

from __future__ import annotations

from ai_memory.frozen import Frozen
from ai_memory.text import address


class DocumentedLimits(Frozen):
    """What one request may carry: inputs, tokens in all, bytes of texts (0: not known)."""

    inputs: int = 2_048
    request_tokens: int = 0
    request_bytes: int = 0


_UNKNOWN = DocumentedLimits(request_bytes=1_000_000)
"""OpenAI's count; nginx takes bodies of 1 MiB (client_max_body_size), text-embeddings-inference of 2,000,000 bytes."""

_LIMITS: tuple[tuple[str, DocumentedLimits], ...] = (
    # OpenAI, API reference, "Create embeddings": 2,048 inputs, 300,000 tokens per request
    ("api.openai.com", DocumentedLimits(2_048, 300_000)),
    # Voyage AI, API reference, "Text embeddings": 1,000 inputs; 120,000 tokens for the models that take fewest
    ("api.voyageai.com", DocumentedLimits(1_000, 120_000)),
    # Cohere, API reference, "Embed": 96 texts
    ("api.cohere.com", DocumentedLimits(96)),
    ("api.cohere.ai", DocumentedLimits(96)),
    # Mistral, its own refusals: "Too many inputs in request" above 256, "Too many tokens in batch. Max is 16384"
    ("api.mistral.ai", DocumentedLimits(256, 16_384)),
    # Alibaba Model Studio, "Text embedding": 10 texts for text-embedding-v3 and v4
    ("aliyuncs.com", DocumentedLimits(10)),
    # Gemini API, batchEmbedContents: 100 requests per batch
    ("generativelanguage.googleapis.com", DocumentedLimits(100)),
)


def documented_limits(base_url: str) -> DocumentedLimits:
    """Return the documented limits of the host of `base_url`, careful ones where it is unknown."""
    host = address.read(base_url).host if base_url else ""
    for suffix, known in _LIMITS:
        if host == suffix or host.endswith(f".{suffix}"):
            return known
    return _UNKNOWN
