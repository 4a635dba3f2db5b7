"""What a database keeps of the settings of the embedders that wrote its vectors, and when it is believed.

The next migration finds the old vectors by asking the old embedder, and only the file knows which that was. But a file
may come from anybody. What it says is obeyed only where nothing leaves this machine for a place that this user's own
configuration does not name, and no key goes where it does not go anyway; see docs/adr/0007.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.config import vendors
from ai_memory.config.api_key import is_variable
from ai_memory.config.embedding import SECTION, for_any_embedder, of_table
from ai_memory.config.file import Sourced, Table
from ai_memory.errors import EmbedderInitFailed
from ai_memory.system.trusted_file import require_own_folder
from ai_memory.text import address
from ai_memory.text.masking import Mask
from ai_memory.vectors.target import LOCAL

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings

WHICH = ("backend", "base_url", "model", "model_path", "dim")
KEYS = ("api_key_env", "api_key_file")
LONGEST = 10_000
_PLAIN_STEP = re.compile(r"[A-Za-z][A-Za-z._-]{0,23}[0-9]{0,4}[a-z]{0,4}[0-9]{0,2}", re.ASCII)
"""A step of a path that is a word or a version, as in /v1beta/openai: a longer or wilder one may be a secret."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The settings of an embedder as a database has them: `values` by key, and what they come to."""

    values: Mapping[str, str | int]
    settings: EmbeddingSettings

    @property
    def line(self) -> str:
        """The line below [embeddings] that makes them the user's own."""
        # A string of JSON is one of TOML.
        pairs = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in self.values.items())
        return f"previous = {{ {', '.join(pairs)} }}"


def to_keep(settings: EmbeddingSettings) -> str:
    """Return the JSON by which a database keeps the settings: no key, and no address that may hold a secret."""
    local = settings.backend.value == LOCAL
    folder = settings.model_path.value if local else None
    values = {
        "backend": settings.backend.value,
        "base_url": "" if local else _harmless(settings),
        "model": settings.model.value,
        "model_path": str(folder.absolute()) if folder else "",
        "dim": settings.dim.value,
        **_place_of_key(settings),
    }
    return json.dumps({name: value for name, value in values.items() if value}, sort_keys=True)


def read_kept(text: str, file: Path, top: Table, environ: Mapping[str, str]) -> Kept:
    """Return the settings that `file` has kept as `text`; `top` is the user's configuration.

    Raises:
        EmbedderInitFailed: they are damaged.
    """
    values = _values(text)
    if "backend" not in values:
        raise EmbedderInitFailed(f"the settings kept in {file.name} are damaged.", tip="")
    which = {name: value for name, value in values.items() if name in WHICH}
    table = Table(file, "kept", which, EmbedderInitFailed)
    return Kept(values, of_table(top, table, for_any_embedder(environ)))


def believed(kept: Kept, own: Sequence[EmbeddingSettings], users: frozenset[int]) -> EmbeddingSettings:
    """Return the settings by which a kept embedder is asked; `own` are those that the user configured.

    Raises:
        EmbedderInitFailed: the user's configuration names nothing by which it could be reached.
    """
    settings = kept.settings
    if settings.backend.value == LOCAL:
        return _local(settings, own, users)
    if settings.base_url.value:
        for each in own:
            if each.backend.value != LOCAL and each.base_url.value == settings.base_url.value:
                return _with_key_of(settings, each)
        if _serves_here(settings):
            return replace(settings, api_key=Sourced(None, "this backend takes no key"))
    raise EmbedderInitFailed(
        f"{_host(settings)} is named by the database alone.",
        tip=f"If you know it, put this line below [{SECTION}] in the config file: {kept.line}",
    )


def _local(settings: EmbeddingSettings, own: Sequence[EmbeddingSettings], users: frozenset[int]) -> EmbeddingSettings:
    if folder := settings.model_path.value:
        require_own_folder(folder, EmbedderInitFailed, users)
    device = next((each.device for each in own if each.backend.value == LOCAL), settings.device)
    return replace(settings, device=device, offline=Sourced(value=True, source="nothing is downloaded for a database"))


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


def _values(text: str) -> dict[str, str | int]:
    try:
        found = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        return {}
    known = {name: found[name] for name in (*WHICH, *KEYS) if name in found} if isinstance(found, dict) else {}
    return {name: value for name, value in known.items() if isinstance(value, str | int) and value is not True}
