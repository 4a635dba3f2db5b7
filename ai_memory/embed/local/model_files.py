"""The files of a sentence-transformers model as anybody may have written them: read with a bound, never executed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ai_memory.errors import EmbedderInitFailed
from ai_memory.frozen import Frozen
from ai_memory.system import trusted_file
from ai_memory.system.trusted_file import Rule
from ai_memory.text import nesting
from ai_memory.text.cleaning import one_line

AGAIN = "Get the model's files again."
LONGEST_JSON = 16_000_000
"""Of the files read here a tokenizer's configuration is the longest, with a few megabytes of added tokens."""
MOST_MODULES = 100


class Module(Frozen):
    """One step of a model: the class that computes it, and the folder of its files."""

    type: str
    place: Path

    @property
    def kind(self) -> str:
        """The class without its package."""
        return self.type.rpartition(".")[2]


def modules(folder: Path) -> list[Module]:
    """Return the modules of a model in the order in which a text passes them, none where modules.json is not there.

    Raises:
        EmbedderInitFailed: modules.json is not a list of modules, or names a place outside of `folder`.
    """
    file = folder / "modules.json"
    if not is_file(file):
        return []
    entries = _json(file)
    steps = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    if not isinstance(entries, list) or len(steps) != len(entries) or len(steps) > MOST_MODULES:
        raise EmbedderInitFailed(f"{file} is not a list of modules.", tip=AGAIN)
    return [Module(str(each.get("type", "")), _place(folder, each.get("path", ""), file)) for each in steps]


def table(file: Path) -> Mapping[str, object]:
    """Return the object in a JSON file, an empty one where there is none.

    Raises:
        EmbedderInitFailed: the file cannot be read, or is not JSON.
    """
    values = _json(file) if is_file(file) else {}
    return values if isinstance(values, dict) else {}


def is_file(path: Path) -> bool:
    """Return whether `path` is a regular file; a name that no file can have is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises where a name is too long


def reason_of(error: Exception) -> str:
    """Return a library's words on one line, without a full stop; its class where it has none."""
    return one_line(str(error)).rstrip(".") or type(error).__name__


def _place(folder: Path, path: object, file: Path) -> Path:
    relative = PurePosixPath(path) if isinstance(path, str) and "\0" not in path else PurePosixPath("/")
    if relative.is_absolute() or ".." in relative.parts:
        raise EmbedderInitFailed(f"{file} names a module outside of its folder.", tip=AGAIN)
    return folder / relative


def _json(file: Path) -> object:
    content = trusted_file.read(file, Rule(str(file), EmbedderInitFailed, LONGEST_JSON))
    try:
        with nesting.bounded():
            values: object = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        why = f"it {error}" if isinstance(error, nesting.NestedTooDeeply) else str(error)
        raise EmbedderInitFailed(f"{file} cannot be read: {why}.", tip=AGAIN) from None
    return values
