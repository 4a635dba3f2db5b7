"""What `config init` writes: every setting with its meaning, and none made but those that are asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

TEMPLATE = """\
# The configuration of ai-memory. Take the "# " away before a setting to make it; what stands there is an example.
# Environment variables and options go before this file. Where each setting came from: ai-memory config show
# After a change: ai-memory config check

# The database file.
# db = "~/memories.db"

# What embeds where no backend is named: keyword (nothing), semantic (a model on this machine), smart or autonomous
# (Ollama). Without this line: semantic.
# tier = "semantic"

[embeddings]
# What gives texts their vectors: local, ollama, openai-compatible, or a vendor like openai, gemini or mistral.
# backend = "openai-compatible"

# The address of the endpoint: https, or http on this machine. A vendor's own is known.
# base_url = "http://localhost:8080/v1"

# The name of the model.
# model = "multilingual-e5-small"

# A folder with the files of a local model; of another, the folder of its tokenizer.json, by which tokens are counted.
# model_path = "/srv/models/multilingual-e5-small"

# The width of the vectors, where the model can be cut to it.
# dim = 384

# The environment variable that holds the key. A key never stands in this file.
# api_key_env = "MY_API_KEY"
# In its place: a file with the key in its first line, readable by you alone.
# api_key_file = "~/.config/ai-memory/key"

# What a million tokens cost, in your currency: for --max-cost, and the cost of plans and reports.
# price_per_million_tokens = 0.02

# How many seconds an endpoint is waited for between two reads.
# timeout_seconds = 60

# How vectors are sent: float, base64 or auto.
# encoding_format = "auto"

# Where a local model computes: auto, cpu, cuda, ...
# device = "auto"

# What computes a local model: auto, torch, onnx or openvino.
# engine = "auto"

# In what a local model computes, if that is shown to be worth it on your own rows: float32, bfloat16 or int8.
# precision = "float32"

# Texts of a page, which is committed as one.
# backfill_batch = 100

# When ai-memory mcp fills in missing vectors as it starts: background, blocking or off.
# backfill_on_boot = "background"

# The embedder of before, with the same settings: recall asks it as long as vectors of its model are there.
# [embeddings.previous]
# backend = "local"
# model = "all-MiniLM-L6-v2"
"""


def filled(settings: Mapping[str, str | int]) -> str:
    """Return the template in which these settings of [embeddings] are made."""
    text = TEMPLATE
    for name, value in settings.items():
        # JSON writes a text as TOML reads it, but for the one control character that it leaves as it is.
        made = f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        before, _, after = re.split(rf"^(# {name} = .*)$", text, maxsplit=1, flags=re.MULTILINE)
        text = f"{before}{made}{after}"
    return text
