"""The key of an endpoint: where it comes from is shown, itself never; it is read when a request needs it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ai_memory.errors import EmbedderInitFailed
from ai_memory.system import trusted_file
from ai_memory.system.trusted_file import ALL_OF_OTHERS, Rule, trusted_users
from ai_memory.text.refused_value import written_as_path

LONGEST_FILE = 65_536
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLAIN_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that nobody sees by accident: `origin` is what is shown of it."""

    origin: str
    text: str = field(default="", repr=False)
    file: Path | None = field(default=None, repr=False)
    users: frozenset[int] = field(default=frozenset(), repr=False)

    def reveal(self) -> str:
        """Return the key itself.

        Raises:
            EmbedderInitFailed: the variable is not set, the file unusable, or the key no key.
        """
        key = self._first_line(self.file) if self.file else self.text
        if not key:
            what = f"{self.origin} is empty" if self.file else f"{self.origin} is not set"
            raise EmbedderInitFailed(f"no API key: {what}.", tip="Set it, or choose another backend.")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise EmbedderInitFailed(
                f"the API key of {self.origin} has characters that no key has.", tip="Store the key alone, on one line."
            )
        return key

    def shown(self) -> str:
        """Return the words of `config show`: whether there is a key, and where."""
        return f"set ({self.origin})" if self.text or self.file else f"not set ({self.origin})"

    def _first_line(self, file: Path) -> str:
        rule = Rule(f"the key's {self.origin}", EmbedderInitFailed, LONGEST_FILE, ALL_OF_OTHERS, self.users)
        lines = trusted_file.read(file, rule).decode("utf-8", "replace").splitlines()
        return lines[0].removeprefix("\ufeff").strip() if lines else ""


def is_variable(name: str) -> bool:
    """Return whether an environment variable can have that name."""
    return bool(_VARIABLE.fullmatch(name))


def of_variable(name: str, environ: Mapping[str, str], source: str) -> ApiKey:
    """Return the key in the variable that the setting `source` names.

    Raises:
        EmbedderInitFailed: no variable can have this name; a key pasted there has no other end. It is not shown.
    """
    if not is_variable(name):
        raise EmbedderInitFailed(
            f"{source} is not the name of a variable, and is not shown, because it may be the key itself.",
            tip="Write the variable's name there, and put the key into the variable.",
        )
    key = environ.get(name, "").strip()
    # A key of letters and digits alone could be a name as well.
    shown = key or _PLAIN_VARIABLE.fullmatch(name)
    return ApiKey(f"env {name}" if shown else f"variable that {source} names", key)


def of_file(name: str, path: Path, environ: Mapping[str, str], source: str) -> ApiKey:
    """Return the key in the file that the setting `source` names as `name`; nothing is read yet."""
    # Not Path.is_file, which raises where a name is too long for a file, as some keys are.
    shown = written_as_path(name) or os.path.isfile(path)  # noqa: PTH113
    return ApiKey(f"file {name}" if shown else f"file that {source} names", file=path, users=trusted_users(environ))
