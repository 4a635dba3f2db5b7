"""ai-memory's config.toml: where it lies, and its tables with every value checked and traced to its key."""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

from ai_memory.errors import AiMemoryError, ConfigRefused, UsageError
from ai_memory.frozen import Frozen, field
from ai_memory.system import trusted_file
from ai_memory.system.trusted_file import OTHERS_WRITE, Rule
from ai_memory.text import nesting
from ai_memory.text.refused_value import described, key_shaped, written_as_path

T_co = TypeVar("T_co", covariant=True)
LONGEST_FILE = 1_000_000
MIN_PRICE, MAX_PRICE = 1e-6, 1e9
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLACE = re.compile(r"at (line \d+, column \d+|end of document)")


class Sourced(Frozen, Generic[T_co]):
    """A value and where it came from, in the words of `config show`."""

    value: T_co
    source: str


class Table(Frozen):
    """One table of a config file; `refusal` is the error that a wrong value in it raises."""

    file: Path | None = None
    section: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    refusal: type[AiMemoryError] = ConfigRefused

    def table(self, name: str, refusal: type[AiMemoryError]) -> Table:
        """Return the table `name` of this one, empty where the file has none."""
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            section = self._below(name)
            raise refusal(f"{self.file}: {section} is a value, not a table.", tip=f"Write it as [{section}].")
        return Table(self.file, self._below(name), values, refusal)

    def _below(self, name: str) -> str:
        return f"{self.section}.{name}" if self.section else name

    def text(self, key: str) -> Sourced[str] | None:
        """Return the non-blank string under `key`, None where the key is missing or blank."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return worded(value, self.source(key), self.refusal)

    def integer(self, key: str, *, low: int, high: int) -> Sourced[int] | None:
        """Return the integer under `key`, within low..high inclusive, None where it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"an integer from {low} to {high}")
        return Sourced(value, self.source(key))

    def price(self, key: str) -> Sourced[float] | None:
        """Return the price under `key`, 0 or from MIN_PRICE to MAX_PRICE, None where it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
        if number != 0 and not MIN_PRICE <= number <= MAX_PRICE:
            raise self.wrong(key, f"0 or a number from {MIN_PRICE:f} to {MAX_PRICE:,.0f}")
        return Sourced(float(number), self.source(key))

    def source(self, key: str) -> str:
        """Return how `config show` names a value of this table."""
        name = self.file.name if self.file else "config"
        return f"{name} [{self.section}].{key}" if self.section else f"{name} {key}"

    def wrong(self, key: str, wanted: str) -> AiMemoryError:
        """Return the error that says what `key` should be: the file, the key and the value in one line."""
        where = f"[{self.section}].{key}" if self.section else key
        return self.refusal(
            f"{self.file}: {where} is {described(self.values[key])}, not {wanted}.", tip="Correct it there."
        )


def worded(text: str, source: str, refusal: type[AiMemoryError]) -> Sourced[str] | None:
    """Return the text of a setting, trimmed, None where it is blank.

    Raises:
        AiMemoryError: `refusal`, which does not show the text: it has control characters, or looks like an API key.
    """
    trimmed = text.strip()
    if _CONTROL.search(trimmed):
        raise refusal(f"{source} has a control character in it.", tip="Write it on one line.")
    if key_shaped(trimmed) and not written_as_path(trimmed):
        raise refusal(
            f"{source} has what looks like an API key in it, and is not shown.",
            tip="Put the key into an environment variable and name that in api_key_env.",
        )
    return Sourced(trimmed, source) if trimmed else None


def locate(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the config file to read, None where there is none or it is switched off.

    `named` (the --config option) wins over AI_MEMORY_NO_CONFIG, which wins over the standard place
    below XDG_CONFIG_HOME (absolute, as the XDG Base Directory Specification 0.8 asks) or ~/.config.

    Raises:
        UsageError: the named file does not exist.
        ConfigRefused: whether there is one cannot be told, as in the home of another user.
    """
    if named is not None:
        if not _exists(named):
            raise UsageError(f"the config file {named} does not exist.", tip="Name an existing file after --config.")
        return named
    if truthy(environ.get("AI_MEMORY_NO_CONFIG", "")):
        return None
    standard = standard_place(environ)
    return standard if standard and _exists(standard) else None


def standard_place(environ: Mapping[str, str]) -> Path | None:
    """Return where the config file stands if nothing else is said, None where there is no home folder."""
    folder = config_home(environ)
    return folder / "ai-memory" / "config.toml" if folder else None


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name contains a NUL"
        tip = "Correct the permissions of its folder, or set AI_MEMORY_NO_CONFIG=1."
        raise ConfigRefused(f"{path} cannot be read: {why}.", tip=tip) from error
    return True


def read(path: Path | None, users: frozenset[int]) -> Table:
    """Return the top table of a config file that one of `users` owns, an empty one for None.

    Raises:
        ConfigRefused: the file cannot be read, can be changed by others, or is not TOML.
    """
    if path is None:
        return Table()
    content = trusted_file.read(path, Rule(f"the config file {path}", ConfigRefused, LONGEST_FILE, OTHERS_WRITE, users))
    try:
        with nesting.bounded():
            return Table(path, values=tomllib.loads(content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ConfigRefused(f"{path} is not UTF-8 at byte {error.start}.", tip="Save it as UTF-8.") from None
    except ValueError as error:
        # The library's words are not shown: they may quote a key.
        place = _PLACE.search(str(error))
        where = f"look at {place[1]}" if place else "it has a number that is too large or tables nested too deeply"
        raise ConfigRefused(f"{path} is not valid TOML: {where}.", tip="Correct it there.") from None


def config_home(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of all user configuration, None where there is no home folder."""
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    if configured.is_absolute():
        return configured
    home = _home(environ)
    return home / ".config" if home else None


def expand(path: Sourced[str], environ: Mapping[str, str]) -> Path:
    """Return the path that a setting names, a leading ~ replaced by the home folder.

    Raises:
        ConfigRefused: there is no home folder, or it is another user's.
    """
    first, _, rest = path.value.partition("/")
    if not first.startswith("~"):
        return Path(path.value)
    home = _home(environ) if first == "~" else None
    if home is None:
        raise ConfigRefused(f"what {first} stands for in {path.source} is not known.", tip="Write the whole path.")
    return home / rest


def _home(environ: Mapping[str, str]) -> Path | None:
    """Return the home folder: HOME where it is absolute, else that of the user's account."""
    named = Path(environ.get("HOME", ""))
    if named.is_absolute():
        return named
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return None


def truthy(value: str) -> bool:
    """Return whether an environment variable's value switches something on."""
    return value.strip().lower() not in {"", "0", "false", "no", "off"}
