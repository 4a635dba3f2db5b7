"""What a database keeps of the settings of embedders that write its vectors: no key, nothing that may be a secret."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.config.api_key import is_variable
from ai_memory.errors import EmbedderInitFailed
from ai_memory.text import address
from ai_memory.text.masking import Mask
from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings

_WORD = r"(?:[A-Za-z]{1,20}[0-9]{0,2}|[0-9]{1,4}|v[0-9]{1,2}(?:alpha|beta)[0-9]{0,2})"
_PLAIN_STEP = re.compile(rf"{_WORD}(?:[._-]{_WORD})*", re.ASCII)
"""A step of a path that is words and versions, as in /v1beta/openai: a wilder one may be a secret."""


def to_keep(settings: EmbeddingSettings) -> str:
    """Return the JSON by which a database keeps the settings: no key, and no address that may hold a secret."""
    local = settings.is_local
    folder = settings.model_path.value if local else None
    values = {
        "backend": settings.backend.value,
        "model": settings.model.value,
        "model_path": str(folder.absolute()) if folder else "",
        "dim": settings.dim.value,
        "precision": settings.precision.value if local and settings.precision.value != FLOAT32 else "",
        **_place_of_key(settings),
    }
    told = {name: value for name, value in values.items() if value}
    # An empty one says that there is one, which is not told.
    return json.dumps(told if local else {**told, "base_url": _harmless(settings)}, sort_keys=True)


def _place_of_key(settings: EmbeddingSettings) -> dict[str, str]:
    """Return the name of the variable or file that has the key."""
    origin = settings.api_key.value.origin if settings.api_key.value else ""
    kind, _, name = origin.partition(" ")
    if kind == "env" and is_variable(name):
        return {"api_key_env": name}
    return {"api_key_file": name} if kind == "file" and Path(name).is_absolute() else {}


def _harmless(settings: EmbeddingSettings) -> str:
    """Return the base URL where nothing in it may be a secret, else an empty text."""
    url, key = settings.base_url.value, ""
    with suppress(EmbedderInitFailed):
        key = settings.api_key.value.reveal() if settings.api_key.value else ""
    if not url or Mask((key,))(url) != url:
        return ""
    steps = address.read(url).path.strip("/").split("/")
    return url if all(not each or _PLAIN_STEP.fullmatch(each) for each in steps) else ""
