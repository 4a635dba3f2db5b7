"""When a database is believed about the settings of the embedders that wrote its vectors.

The next migration finds the old vectors by asking the old embedder, and only the file knows which that was. But a file
may come from anybody. What it says is obeyed only where nothing leaves this machine for a place that this user's own
configuration does not name, and no key goes where it does not go anyway; see docs/adr/0007.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.config import vendors
from ai_memory.config.embedding import SECTION, for_any_embedder, of_table
from ai_memory.config.file import Sourced, Table
from ai_memory.errors import ConfigRefused, EmbedderInitFailed
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import is_text
from ai_memory.system.trusted_file import require_own_folder
from ai_memory.text import address, nesting

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings

WHICH = ("backend", "base_url", "model", "model_path", "dim", "precision")
KEYS = ("api_key_env", "api_key_file")
LONGEST = 10_000


class Kept(Frozen):
    """The settings of an embedder as a database has them: `values` by key, and what they come to."""

    values: Mapping[str, str | int]
    settings: EmbeddingSettings

    @property
    def line(self) -> str:
        """The line below [embeddings] that makes them the user's own."""
        # A string of JSON is one of TOML.
        pairs = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in self.values.items() if value)
        return f"previous = {{ {', '.join(pairs)} }}"


def read_kept(text: str, file: Path, top: Table, environ: Mapping[str, str]) -> Kept:
    """Return the settings that `file` has kept as `text`; `top` is the user's configuration.

    Raises:
        EmbedderInitFailed: they are damaged.
    """
    values = _values(text)
    if "backend" not in values:
        raise EmbedderInitFailed(f"the settings kept in {file.name} are damaged.")
    which = {name: value for name, value in values.items() if name in WHICH}
    table = Table(file, "kept", which, EmbedderInitFailed)
    try:
        return Kept(values, of_table(top, table, for_any_embedder(environ)))
    except ConfigRefused as error:
        raise EmbedderInitFailed(error.what) from error


def believed(kept: Kept, own: Sequence[EmbeddingSettings], users: frozenset[int]) -> EmbeddingSettings:
    """Return the settings by which a kept embedder is asked; `own` are those that the user configured.

    Raises:
        EmbedderInitFailed: the user's configuration names nothing by which it could be reached.
    """
    settings = kept.settings
    if settings.is_local:
        return _local(settings, own, users)
    if kept.values.get("base_url") == "":
        raise EmbedderInitFailed(
            "its address may hold a secret and was not kept.",
            tip=f"Put this line below [{SECTION}] in the config file, with its base_url: {kept.line}",
        )
    for each in own:
        if not each.is_local and each.base_url.value == settings.base_url.value:
            return _with_key_of(settings, each)
    if _serves_here(settings):
        return replace(settings, api_key=Sourced(None, "this backend takes no key"))
    raise EmbedderInitFailed(
        f"{_host(settings)} is named by the database alone.",
        tip=f"If you know it, put this line below [{SECTION}] in the config file: {kept.line}",
    )


def _local(settings: EmbeddingSettings, own: Sequence[EmbeddingSettings], users: frozenset[int]) -> EmbeddingSettings:
    if folder := settings.model_path.value:
        if not folder.is_absolute():
            raise EmbedderInitFailed(f"{folder} is not a whole path.")
        require_own_folder(folder, EmbedderInitFailed, users)
    device, engine = next(
        ((each.device, each.engine) for each in own if each.is_local), (settings.device, settings.engine)
    )
    return replace(
        settings,
        device=device,
        engine=engine,
        offline=Sourced(value=True, source="nothing is downloaded for a database"),
    )


def _with_key_of(settings: EmbeddingSettings, own: EmbeddingSettings) -> EmbeddingSettings:
    vendor = vendors.find(settings.backend.value)
    takes_key = vendor is not None and vendor.takes_key
    key = own.api_key if takes_key else Sourced(None, "this backend takes no key")
    return replace(settings, api_key=key, timeout_seconds=own.timeout_seconds, encoding_format=own.encoding_format)


def _serves_here(settings: EmbeddingSettings) -> bool:
    """Return whether it is a server of this machine at its usual address, which takes no key."""
    vendor = vendors.find(settings.backend.value)
    return vendor is not None and not vendor.takes_key and settings.base_url.value == vendor.base_url


def _host(settings: EmbeddingSettings) -> str:
    url = settings.base_url.value
    return address.read(url).shown if url else "an endpoint"


def _values(text: str) -> dict[str, str | int]:
    try:
        with nesting.bounded():
            found = json.loads(text) if len(text) <= LONGEST else None
    except ValueError:
        return {}
    known = {name: found[name] for name in (*WHICH, *KEYS) if name in found} if isinstance(found, dict) else {}
    return {name: value for name, value in known.items() if _is_meant(value)}


def _is_meant(value: object) -> bool:
    return is_text(value) if isinstance(value, str) else isinstance(value, int) and not isinstance(value, bool)
