"""The servers an embedder may talk to: default addresses, key variables and documented limits.

Addresses and key variables are those of the vendors' own quick starts. A vendor that is not listed is
reached as `openai-compatible` with its base URL.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_memory.text import address

LOCAL = "local"
OLLAMA = "ollama"
OPENAI_COMPATIBLE = "openai-compatible"
NO_BACKEND = "none"


@dataclass(frozen=True, slots=True)
class Vendor:
    """A backend that speaks HTTP: its default base URL and the variable that holds its key.

    An empty `base_url` must be configured; an empty `key_env` means that the vendor knows no
    variable of its own; a vendor without `takes_key` is never sent one.
    """

    name: str
    base_url: str
    key_env: str = ""
    takes_key: bool = True


_KIMI = ("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY")
_QWEN = ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY")

VENDORS: tuple[Vendor, ...] = (
    Vendor(OLLAMA, "http://localhost:11434", takes_key=False),
    Vendor(OPENAI_COMPATIBLE, ""),
    Vendor("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Vendor("gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    Vendor("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    Vendor("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    Vendor("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    Vendor("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    Vendor("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    Vendor("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    Vendor("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    Vendor("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    Vendor("kimi", *_KIMI),
    Vendor("moonshot", *_KIMI),
    Vendor("qwen", *_QWEN),
    Vendor("dashscope", *_QWEN),
    Vendor("lmstudio", "http://localhost:1234/v1", takes_key=False),
)

BACKENDS: tuple[str, ...] = (LOCAL, *(vendor.name for vendor in VENDORS))


def find(name: str) -> Vendor | None:
    """Return the vendor of a backend name, None where the name is no HTTP backend."""
    return next((vendor for vendor in VENDORS if vendor.name == name), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may carry: inputs, tokens an input, tokens in all, bytes of texts (0: not known)."""

    inputs: int = 2_048
    input_tokens: int = 0
    request_tokens: int = 0
    request_bytes: int = 0


_UNKNOWN = Limits(request_bytes=1_000_000)
"""OpenAI's count; nginx takes bodies of 1 MiB (client_max_body_size), text-embeddings-inference of 2,000,000 bytes."""

_LIMITS: tuple[tuple[str, Limits], ...] = (
    # OpenAI, API reference, "Create embeddings": 2,048 inputs, 8,192 tokens an input, 300,000 a request
    ("api.openai.com", Limits(2_048, 8_192, 300_000)),
    # Voyage AI, API reference, "Text embeddings": 1,000 inputs; 120,000 tokens for the models that take fewest
    ("api.voyageai.com", Limits(1_000, 0, 120_000)),
    # Cohere, API reference, "Embed": 96 texts
    ("api.cohere.com", Limits(96)),
    ("api.cohere.ai", Limits(96)),
    # Mistral, its own refusals: "Too many inputs in request" above 256, "Too many tokens in batch. Max is 16384"
    ("api.mistral.ai", Limits(256, 8_192, 16_384)),
    # Alibaba Model Studio, "Text embedding": 10 texts for text-embedding-v3 and v4, 8,192 tokens each
    ("aliyuncs.com", Limits(10, 8_192)),
    # Gemini API, batchEmbedContents: 100 requests a batch; 2,048 tokens an input for gemini-embedding-001
    ("generativelanguage.googleapis.com", Limits(100, 2_048)),
)


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


def limits(base_url: str) -> Limits:
    """Return the documented limits of the host of `base_url`, careful ones where it is unknown."""
    host = address.read(base_url).host if base_url else ""
    for suffix, known in _LIMITS:
        if host == suffix or host.endswith(f".{suffix}"):
            return known
    return _UNKNOWN
