"""`config init`: a configuration file in which every setting is explained, and made as flags and answers say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ai_memory.commands.config_questions import answered, require_sense
from ai_memory.config.file import standard_place
from ai_memory.config.template import filled
from ai_memory.errors import UsageError
from ai_memory.memory.text_codec import is_text
from ai_memory.show.question import asked, can_ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ai_memory.commands.config_questions import Setting
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def run_init(named: Path | None, given: Mapping[str, Setting], settings: Settings, console: Console) -> int:
    """Write the file that is named, else the one at the standard place, with the settings that were given.

    At a terminal the user is asked for the others.

    Raises:
        UsageError: something stands there already, or no home folder is known, or no answer comes.
        EmbedderInitFailed: a setting makes no sense; nothing is written.
    """
    path = named or standard_place(settings.environ)
    if path is None:
        raise UsageError("No home folder is known.", tip="Name the file with --config PATH.")
    if os.path.lexists(path):
        raise _there_already(path)
    for name, value in given.items():
        if not str(value).strip():
            raise UsageError(f"--{name.replace('_', '-')} is empty.", tip="Leave it out, or say what it is to be.")
    made = answered(given, lambda each: asked(each, console.err)) if can_ask(console.err) else given
    text = filled(made)
    if not is_text(text):
        raise UsageError("A setting is not UTF-8; nothing was written.", tip="Write it in UTF-8.")
    require_sense(path, text, settings.environ)
    _write_new(path, text)
    what = (
        f"It sets {', '.join(made)}, then: ai-memory config check --probe"
        if made
        else "Nothing is set yet; edit it, then: ai-memory config check"
    )
    console.result(
        {"config": str(path), "created": True, "set": dict(made)},
        f"Created {path}. {what}",
    )
    return 0


def _there_already(path: Path) -> UsageError:
    return UsageError(
        f"{path} exists already, and was not changed.",
        tip="Edit it, or name another file with --config PATH; whether it can be obeyed: ai-memory config check",
    )


def _write_new(path: Path, text: str) -> None:
    """Write a file of this user's own where nothing stands; what is written in part is taken away again."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise _there_already(path) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        path.unlink()
        # A write does not say of which file it is.
        raise OSError(error.errno, error.strerror, str(path)) from error
