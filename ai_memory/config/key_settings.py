"""Where settings name a key: which one is used, and all that must never be shown."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ai_memory.config import api_key, vendors
from ai_memory.config.api_key import ApiKey
from ai_memory.config.file import Sourced, Table, expand
from ai_memory.errors import EmbedderInitFailed

SHORTEST_SECRET = 8


def configured_key(
    table: Table, environ: Mapping[str, str], vendor: vendors.Vendor | None, base_url: Sourced[str]
) -> Sourced[ApiKey | None]:
    """Return the key of an endpoint, from the environment before the config file; no key file is read yet.

    Raises:
        EmbedderInitFailed: no variable can have the name that the config file says.
    """
    if vendor is None or not vendor.takes_key:
        return Sourced(None, "this backend takes no key")
    for name in filter(None, ("AI_MEMORY_EMBED_API_KEY", vendor.key_env)):
        if key := _secret(environ, name):
            return Sourced(key, key.origin)
    if named := table.text("api_key_env"):
        return Sourced(api_key.of_variable(named.value, environ, named.source), named.source)
    if file := table.text("api_key_file"):
        found = api_key.of_file(file.value, expand(file, environ), environ, file.source)
        return Sourced(found, file.source)
    if vendor.key_env and base_url.value == vendor.base_url:
        return Sourced(ApiKey(f"env {vendor.key_env}"), f"default of {vendor.name}")
    return Sourced(None, "not configured")


def secrets(top: Table, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return every key that the environment and the config file hold, of whatever vendor and in whatever place.

    What is shorter than eight characters is not a secret, but a word that a local server wants to hear.
    """
    table = _below(top.values, "embeddings")
    variables = {"AI_MEMORY_EMBED_API_KEY", *(vendor.key_env for vendor in vendors.VENDORS)}
    found = {environ.get(name, "").strip() for name in variables if name}
    found |= _secrets_of(table, environ) | _secrets_of(_below(table, "previous"), environ)
    return tuple(sorted(key for key in found if len(key) >= SHORTEST_SECRET))


def _secrets_of(table: Mapping[str, object], environ: Mapping[str, str]) -> set[str]:
    named = str(table.get("api_key_env", ""))
    of_variable = environ.get(named, "").strip() if api_key.is_variable(named) else named
    return {str(table.get("api_key", "")), of_variable, _key_of_file(str(table.get("api_key_file", "")), environ)}


def _below(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = values.get(name)
    return table if isinstance(table, dict) else {}


def refuse_key_mistakes(table: Table) -> None:
    """Refuse a key in the config file itself, and two settings that name one.

    Raises:
        EmbedderInitFailed: the file has either.
    """
    if "api_key" in table.values:
        raise EmbedderInitFailed(
            f"{table.file}: [{table.section}].api_key holds a key in the config file, which is refused.",
            tip="Put it into an environment variable and name that in api_key_env.",
        )
    if table.text("api_key_env") and table.text("api_key_file"):
        raise EmbedderInitFailed(
            f"{table.file}: [{table.section}] has both api_key_env and api_key_file.", tip="Keep one of them."
        )


def _key_of_file(path: str, environ: Mapping[str, str]) -> str:
    """Return the key in a key file, empty where it is none that would be sent."""
    with suppress(OSError, ValueError, EmbedderInitFailed):
        file = expand(Sourced(path, ""), environ)
        return api_key.of_file(path, file, environ, "").reveal() if path else ""
    return ""


def _secret(environ: Mapping[str, str], name: str) -> ApiKey | None:
    key = environ.get(name, "").strip()
    return ApiKey(f"env {name}", key) if key else None
