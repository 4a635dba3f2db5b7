"""`config show`: the resolved settings, each with where it came from; never a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.commands.config_words import SettingWords, kept_line, setting_lines, setting_tables
from ai_memory.commands.kept_settings import kept_settings
from ai_memory.config import vendors
from ai_memory.config.api_key import ApiKey
from ai_memory.config.embedding import AUTO, PREVIOUS, TORCH
from ai_memory.embed.assemble import engines
from ai_memory.errors import EmbedderInitFailed
from ai_memory.stores.opening import reading

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.file import Sourced
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

OF_ALL = ("tier", "batch", "offline", "egress", "price_per_million_tokens")
"""What holds for every embedder, or means nothing for one that is only searched by."""
SIZES = {"all-MiniLM-L6-v2": 92, "sentence-transformers/all-MiniLM-L6-v2": 92, "nomic-embed-text-v1.5": 274}
"""Millions of bytes of the default models' files: at huggingface.co and in Ollama's library, November 2026."""


def run_show(settings: Settings, console: Console) -> int:
    """Show the settings, or what is wrong with them.

    Raises:
        EmbedderInitFailed: the embedder's configuration cannot be meant.
    """
    found = {"db": settings.db, "key_dir": settings.key_dir, **_by_name(settings.embedding)}
    previous = _by_name(settings.previous) if settings.previous else {}
    kept = kept_settings(settings, console, reading)
    values = {
        "config": str(settings.config_path) if settings.config_path else None,
        **_values(found),
        "model_files": _model_files(settings.embedding),
        "engines": _engines(settings.embedding),
        "previous": _values(previous) if previous else None,
        "kept": [asdict(each) for each in kept],
    }
    told = [f"The model: {values['model_files']}."] if values["model_files"] else []
    told += [f"The engine: {values['engines']}."] if values["engines"] else []
    rows = {**found, **{f"{PREVIOUS}.{name}": each for name, each in previous.items() if name not in OF_ALL}}
    told += [kept_line(each) for each in kept]
    shown = [SettingWords("config", settings.config_path)]
    shown += [SettingWords(name, _shown(each.value), each.source) for name, each in rows.items()]
    console.result(values, *setting_lines(shown), *told, tables=setting_tables(shown, told))
    return 0


def _values(found: Mapping[str, Sourced[object]]) -> dict[str, object]:
    return {name: {"value": _shown(each.value), "source": each.source} for name, each in found.items()}


def _model_files(embedding: EmbeddingSettings) -> str | None:
    """Return where the files of the model come from and how large they are; None where no model is asked."""
    backend, model = embedding.backend.value, embedding.model.value
    size = f", {SIZES[model]} MB" if model in SIZES else ""
    if backend == vendors.NO_BACKEND or not (model or embedding.model_path.value):
        return None
    if backend == vendors.OLLAMA:
        return f"on the Ollama server{size}; get it there with: ollama pull {model}"
    if not embedding.is_local:
        return "on the endpoint"
    if embedding.model_path.value:
        return f"the files in {embedding.model_path.value}; nothing is downloaded"
    if embedding.offline.value:
        return f"from the cache of the model hub{size}; nothing is downloaded ({embedding.offline.source})"
    return f"from the cache of the model hub, else from huggingface.co at its first use{size}"


def _engines(embedding: EmbeddingSettings) -> str | None:
    """Return what will compute a local model, None where none is asked."""
    if not embedding.is_local:
        return None
    try:
        first, *others = engines(embedding)
    except EmbedderInitFailed as error:
        return error.line().rstrip(".")
    if first == TORCH or embedding.engine.value != AUTO:
        return first
    return ", else ".join([f"{first} if its vectors agree", *others])


def _by_name(embedding: EmbeddingSettings) -> dict[str, Sourced[object]]:
    return {each.name: getattr(embedding, each.name) for each in fields(embedding)}


def _shown(value: object) -> object:
    """Return `value` as JSON can say it; of a key only whether there is one."""
    if isinstance(value, ApiKey):
        return value.shown()
    return str(value) if isinstance(value, Path) else value
