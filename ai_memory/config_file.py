"""ai-memory's config.toml: where it lies, and its tables with every value checked and traced to its key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from ai_memory.errors import AiMemoryError, DataRefused, UsageError

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T_co]):
    """A value and where it came from, in the words of `config show`."""

    value: T_co
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a config file; `refusal` is the error that a wrong value in it raises."""

    file: Path | None = None
    section: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    refusal: type[AiMemoryError] = DataRefused

    def table(self, name: str, refusal: type[AiMemoryError]) -> Table:
        """Return the table `name` of this one, empty where the file has none."""
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            raise refusal(f"{self.file}: {name} is a value, not a table.", tip=f"Write it as [{name}].")
        return Table(self.file, name, values, refusal)

    def text(self, key: str) -> Sourced[str] | None:
        """Return the non-blank string under `key`, None where the key is missing or blank."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return Sourced(value.strip(), self.source(key)) if value.strip() else None

    def integer(self, key: str, *, low: int, high: int) -> Sourced[int] | None:
        """Return the integer under `key`, within low..high inclusive, None where it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"an integer from {low} to {high}")
        return Sourced(value, self.source(key))

    def price(self, key: str) -> Sourced[float] | None:
        """Return the number >= 0 under `key`, None where it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) not in (int, float) or not 0 <= float(str(value)) < float("inf"):
            raise self.wrong(key, "a number, 0 or more")
        return Sourced(float(str(value)), self.source(key))

    def source(self, key: str) -> str:
        """Return how `config show` names a value of this table."""
        name = self.file.name if self.file else "config"
        return f"{name} [{self.section}].{key}" if self.section else f"{name} {key}"

    def wrong(self, key: str, wanted: str) -> AiMemoryError:
        """Return the error that says what `key` should be: the file, the key and the value in one line."""
        where = f"[{self.section}].{key}" if self.section else key
        return self.refusal(f"{self.file}: {where} is {self.values[key]!r}, not {wanted}.", tip="Correct it there.")


def locate(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the config file to read, None where there is none or it is switched off.

    `named` (the --config option) wins over AI_MEMORY_NO_CONFIG, which wins over the standard place
    below XDG_CONFIG_HOME (absolute, as the XDG Base Directory Specification 0.8 asks) or ~/.config.

    Raises:
        UsageError: the named file does not exist.
        DataRefused: whether there is one cannot be told, as in the home of another user.
    """
    if named is not None:
        if not _is_file(named):
            raise UsageError(f"the config file {named} does not exist.", tip="Name an existing file after --config.")
        return named
    if truthy(environ.get("AI_MEMORY_NO_CONFIG", "")):
        return None
    standard = config_home(environ) / "ai-memory" / "config.toml"
    return standard if _is_file(standard) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        tip = "Correct the permissions of its folder, or set AI_MEMORY_NO_CONFIG=1."
        raise DataRefused(f"{path} cannot be read: {error.strerror}.", tip=tip) from error


def read(path: Path | None) -> Table:
    """Return the top table of a config file, an empty one for None.

    Raises:
        DataRefused: the file cannot be read or is no TOML.
    """
    if path is None:
        return Table()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataRefused(f"{path} cannot be read: {error.strerror}.", tip="Correct its permissions.") from error
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path} is not UTF-8 at byte {error.start}.", tip="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise DataRefused(f"{path} is not valid TOML: {error}.", tip="Correct that line.") from error
    return Table(path, values=values)


def config_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of all user configuration."""
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    return configured if configured.is_absolute() else expand("~/.config", environ)


def expand(path: str, environ: Mapping[str, str]) -> Path:
    """Return `path` with a leading ~ replaced by the home folder."""
    if path != "~" and not path.startswith("~/"):
        return Path(path)
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return home / path[2:]


def truthy(value: str) -> bool:
    """Return whether an environment variable's value switches something on."""
    return value.strip().lower() not in {"", "0", "false", "no", "off"}
