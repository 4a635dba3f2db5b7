"""The servers an embedder may talk to: default addresses and key variables.

Addresses and key variables are those of the vendors' own quick starts. A vendor that is not listed is
reached as `openai-compatible` with its base URL.
"""

from __future__ import annotations

from ai_memory.frozen import Frozen
from ai_memory.vectors.target import LOCAL

OLLAMA = "ollama"
OPENAI_COMPATIBLE = "openai-compatible"
NO_BACKEND = "none"


class Vendor(Frozen):
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
    """Return the vendor of a backend name, None where the name is not an HTTP backend's."""
    return next((vendor for vendor in VENDORS if vendor.name == name), None)
