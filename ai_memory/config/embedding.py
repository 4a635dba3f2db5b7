"""The one resolver of the embedder: environment, config file, tier and vendor, each field with its source."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.config import vendors
from ai_memory.config.file import Sourced, Table, expand, truthy, worded
from ai_memory.config.key_settings import configured_key, refuse_key_mistakes
from ai_memory.errors import EmbedderInitFailed
from ai_memory.frozen import Frozen
from ai_memory.text import address
from ai_memory.text.refused_value import described, written_as_path
from ai_memory.vectors.target import BFLOAT16, FLOAT32, INT8, LOCAL, MAX_DIM

if TYPE_CHECKING:
    from ai_memory.config.api_key import ApiKey

KEYWORD = "keyword"
TIER_BACKENDS = {
    KEYWORD: vendors.NO_BACKEND,
    "semantic": LOCAL,
    "smart": vendors.OLLAMA,
    "autonomous": vendors.OLLAMA,
}
DEFAULT_MODELS = {LOCAL: "all-MiniLM-L6-v2", vendors.OLLAMA: "nomic-embed-text-v1.5"}
EGRESS_POLICIES = ("allow", "loopback-only", "deny")
MAX_BATCH = 10_000
DEFAULT_BATCH = 100
ADDRESS_KEYS = frozenset({"backend", "base_url", "url", "model", "model_path", "dim"})
OTHER_KEYS = frozenset({"api_key_env", "api_key_file", "backfill_batch", "backfill_on_boot"})
OUR_KEYS = frozenset(
    {"device", "encoding_format", "engine", "precision", "price_per_million_tokens", "timeout_seconds"}
)
AUTO, BASE64 = "auto", "base64"
ENCODINGS = (AUTO, "float", BASE64)
TORCH, ONNX, OPENVINO = "torch", "onnx", "openvino"
ENGINES = (AUTO, TORCH, ONNX, OPENVINO)
"""What computes a model on this machine."""
PRECISIONS = (FLOAT32, BFLOAT16, INT8)
MAX_TIMEOUT_S = 3_600
BESIDE, AT_ONCE, OFF = "background", "blocking", "off"
WHEN_STARTED = (BESIDE, AT_ONCE, OFF)
"""When a server fills in missing vectors at its start: beside its work, before it, or not."""
SECTION, PREVIOUS = "embeddings", "previous"
OF_THE_EMBEDDER = frozenset(
    f"AI_MEMORY_EMBED_{name}" for name in ("BACKEND", "BASE_URL", "MODEL", "API_KEY", "BACKFILL_BATCH", "PRECISION")
)
"""The variables that say which embedder is to be used from now on, and nothing of the previous one."""


class EmbeddingSettings(Frozen):
    """The resolved embedder.

    `dim` 0: not configured. `base_url` is empty for a local model. `batch` is texts per page, 1..10000. `device` is
    "auto" or a name of PyTorch's, `engine` one of ENGINES, `precision` one of PRECISIONS. Money is in the user's own
    currency. `timeout_seconds` None: as long as it is usual. `encoding_format` is one of ENCODINGS.
    """

    tier: Sourced[str]
    backend: Sourced[str]
    base_url: Sourced[str]
    model: Sourced[str]
    model_path: Sourced[Path | None]
    dim: Sourced[int]
    api_key: Sourced[ApiKey | None]
    batch: Sourced[int]
    offline: Sourced[bool]
    egress: Sourced[str]
    device: Sourced[str]
    engine: Sourced[str]
    precision: Sourced[str]
    timeout_seconds: Sourced[int | None]
    encoding_format: Sourced[str]
    price_per_million_tokens: Sourced[float | None]

    @property
    def is_local(self) -> bool:
        """Whether the model runs on this machine."""
        return self.backend.value == LOCAL


def resolve(top: Table, environ: Mapping[str, str]) -> EmbeddingSettings:
    """Return the embedder that the environment and the config file ask for.

    Raises:
        EmbedderInitFailed: a value that makes no sense, named with its file or variable.
    """
    return of_table(top, top.table(SECTION, EmbedderInitFailed), environ)


def backfill_on_boot(top: Table) -> Sourced[str]:
    """Return what the config file says of missing vectors at a server's start: one of WHEN_STARTED.

    Raises:
        EmbedderInitFailed: it says something else.
    """
    named = top.table(SECTION, EmbedderInitFailed).text("backfill_on_boot") or Sourced(BESIDE, "default")
    if named.value not in WHEN_STARTED:
        raise EmbedderInitFailed(
            f"backfill_on_boot is {described(named.value)} ({named.source}).",
            tip=f"It must be one of {', '.join(WHEN_STARTED)}.",
        )
    return named


def resolve_previous(top: Table, environ: Mapping[str, str]) -> EmbeddingSettings | None:
    """Return the embedder that `[embeddings.previous]` asks for, None where the file has no such table.

    Of the environment only what holds for every embedder counts: what may be asked, and the vendors' own keys.

    Raises:
        EmbedderInitFailed: a value that makes no sense, named with its file.
    """
    table = top.table(SECTION, EmbedderInitFailed)
    if PREVIOUS not in table.values:
        return None
    return of_table(top, table.table(PREVIOUS, EmbedderInitFailed), for_any_embedder(environ))


def for_any_embedder(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment without what names the embedder in use."""
    return {name: value for name, value in environ.items() if name not in OF_THE_EMBEDDER}


def of_table(top: Table, table: Table, environ: Mapping[str, str]) -> EmbeddingSettings:
    """Return the embedder that a table of settings and the environment ask for; `top` has the tier.

    Raises:
        EmbedderInitFailed: a value that makes no sense, named with its file or variable.
    """
    refuse_key_mistakes(table)
    tier = _tier(top)
    backend = _backend(table, environ, tier)
    vendor = vendors.find(backend.value)
    named = _env(environ, "AI_MEMORY_EMBED_MODEL") or table.text("model")
    model_path = _model_path(table, environ, named if backend.value == LOCAL else None)
    base_url = _base_url(table, environ, vendor)
    return EmbeddingSettings(
        tier=tier,
        backend=backend,
        base_url=base_url,
        model=_model(named, tier, backend, model_path),
        model_path=model_path,
        dim=table.integer("dim", low=1, high=MAX_DIM) or Sourced(0, "not configured"),
        api_key=configured_key(table, environ, vendor, base_url),
        batch=_batch(table, environ),
        offline=_offline(environ),
        egress=_egress(environ),
        device=table.text("device") or Sourced(AUTO, "default"),
        engine=_engine(table, environ),
        precision=_precision(table, environ),
        timeout_seconds=table.integer("timeout_seconds", low=1, high=MAX_TIMEOUT_S) or Sourced(None, "not configured"),
        encoding_format=_encoding_format(table),
        price_per_million_tokens=table.price("price_per_million_tokens") or Sourced(None, "not configured"),
    )


def _env(environ: Mapping[str, str], name: str) -> Sourced[str] | None:
    return worded(environ.get(name, ""), f"env {name}", EmbedderInitFailed)


def _tier(top: Table) -> Sourced[str]:
    tier = top.text("tier") or Sourced("semantic", "default")
    if tier.value.lower() not in TIER_BACKENDS:
        raise EmbedderInitFailed(
            f"tier is {described(tier.value)} ({tier.source}).", tip=f"It must be one of {', '.join(TIER_BACKENDS)}."
        )
    return Sourced(tier.value.lower(), tier.source)


def _backend(table: Table, environ: Mapping[str, str], tier: Sourced[str]) -> Sourced[str]:
    default = Sourced(TIER_BACKENDS[tier.value], f"default of tier {tier.value}")
    named = _env(environ, "AI_MEMORY_EMBED_BACKEND") or table.text("backend") or default
    backend = Sourced(named.value.lower().replace("_", "-"), named.source)
    if backend is not default and backend.value not in {*vendors.BACKENDS, default.value}:
        raise EmbedderInitFailed(
            f"backend is {described(named.value)} ({named.source}).",
            tip=f"It must be one of {', '.join(vendors.BACKENDS)}.",
        )
    return backend


def _model(
    named: Sourced[str] | None, tier: Sourced[str], backend: Sourced[str], model_path: Sourced[Path | None]
) -> Sourced[str]:
    if model_path.value and backend.value == LOCAL and (named is None or model_path.source == named.source):
        return Sourced("", f"given as a folder: {model_path.source}")
    if named:
        return named
    if backend.value not in DEFAULT_MODELS:
        return Sourced("", "not configured")
    of_tier = TIER_BACKENDS[tier.value] == backend.value
    return Sourced(DEFAULT_MODELS[backend.value], f"default of {f'tier {tier.value}' if of_tier else backend.value}")


def _model_path(table: Table, environ: Mapping[str, str], model: Sourced[str] | None) -> Sourced[Path | None]:
    """Return the folder of the model's files: `model_path`, or a local `model` that is written as a path."""
    named = table.text("model_path")
    if named is None and model and written_as_path(model.value):
        named = model
    return Sourced(expand(named, environ), named.source) if named else Sourced(None, "not configured")


def _base_url(table: Table, environ: Mapping[str, str], vendor: vendors.Vendor | None) -> Sourced[str]:
    if vendor is None:
        return Sourced("", "not used by this backend")
    named = _env(environ, "AI_MEMORY_EMBED_BASE_URL") or table.text("base_url") or table.text("url")
    if named is None:
        return Sourced(vendor.base_url, f"default of {vendor.name}" if vendor.base_url else "not configured")
    _refuse_unsafe(named)
    return Sourced(named.value.rstrip("/"), named.source)


def _refuse_unsafe(url: Sourced[str]) -> None:
    try:
        found = address.read(url.value)
    except ValueError as error:
        # It is not shown: some put the key there.
        raise EmbedderInitFailed(
            f"the base URL of {url.source} {error}.", tip="Correct it; a key goes into api_key_env."
        ) from None
    if found.is_plain_to_others:
        raise EmbedderInitFailed(
            f"the base URL {url.value} ({url.source}) would send texts and key in plain text to another host.",
            tip="Use https://.",
        )


def _batch(table: Table, environ: Mapping[str, str]) -> Sourced[int]:
    named = _env(environ, "AI_MEMORY_EMBED_BACKFILL_BATCH")
    if named is None:
        return table.integer("backfill_batch", low=1, high=MAX_BATCH) or Sourced(DEFAULT_BATCH, "default")
    if not (named.value.isascii() and named.value.isdigit()) or not 1 <= int(named.value[:9]) <= MAX_BATCH:
        raise EmbedderInitFailed(
            f"{named.source} is {described(named.value)}.", tip=f"It must be from 1 to {MAX_BATCH}."
        )
    return Sourced(int(named.value), named.source)


def _engine(table: Table, environ: Mapping[str, str]) -> Sourced[str]:
    named = _env(environ, "AI_MEMORY_EMBED_ENGINE") or table.text("engine")
    return _one_of(ENGINES, "engine", named or Sourced(AUTO, "default"))


def _precision(table: Table, environ: Mapping[str, str]) -> Sourced[str]:
    named = _env(environ, "AI_MEMORY_EMBED_PRECISION") or table.text("precision")
    return _one_of(PRECISIONS, "precision", named or Sourced(FLOAT32, "default"))


def _encoding_format(table: Table) -> Sourced[str]:
    return _one_of(ENCODINGS, "encoding_format", table.text("encoding_format") or Sourced(AUTO, "default"))


def _one_of(names: Collection[str], setting: str, named: Sourced[str]) -> Sourced[str]:
    if named.value.lower() not in names:
        raise EmbedderInitFailed(
            f"{setting} is {described(named.value)} ({named.source}).", tip=f"It must be one of {', '.join(names)}."
        )
    return Sourced(named.value.lower(), named.source)


def _offline(environ: Mapping[str, str]) -> Sourced[bool]:
    for name in ("AI_MEMORY_EMBED_OFFLINE", "HF_HUB_OFFLINE"):
        if truthy(environ.get(name, "")):
            return Sourced(value=True, source=f"env {name}")
    return Sourced(value=False, source="default")


def _egress(environ: Mapping[str, str]) -> Sourced[str]:
    policy = _env(environ, "AI_MEMORY_INFERENCE_EGRESS") or Sourced("allow", "default")
    if policy.value.lower() not in EGRESS_POLICIES:
        raise EmbedderInitFailed(
            f"{policy.source} is {described(policy.value)}; nothing is sent.",
            tip=f"Use one of {', '.join(EGRESS_POLICIES)}.",
        )
    return Sourced(policy.value.lower(), policy.source)
