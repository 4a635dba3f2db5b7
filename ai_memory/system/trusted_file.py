"""Reads files whole after a look at what they are: regular, not too long and, where it matters, nobody else's."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
ALL_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Rule(Frozen):
    """What a file must be, to be read; `refusal` is the error that says what it is instead.

    `called` is what the file is to people, `most` the bytes of the longest that is read, `users` who may own it (None:
    anybody). Only its owner may have the permissions `forbidden`; where those are no more than writing, the owner's own
    group may.
    """

    called: str
    refusal: type[AiMemoryError]
    most: int
    forbidden: int = 0
    users: frozenset[int] | None = None


def trusted_users(environ: Mapping[str, str]) -> frozenset[int]:
    """Return whose files are obeyed: this user's, root's, and under sudo those of the user who called it."""
    me, caller = os.geteuid(), environ.get("SUDO_UID", "")
    called = {int(caller)} if me == 0 and caller.isascii() and caller.isdigit() and len(caller) <= 10 else set()
    return frozenset({me, 0} | called)


def read(path: Path, rule: Rule) -> bytes:
    """Return the content of `path`; links are followed, and what they lead to is judged before a byte is read.

    Raises:
        AiMemoryError: the rule's refusal: it cannot be read, or is not what the rule says.
    """
    try:
        # Without O_NONBLOCK the open of a fifo would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            _judge(os.fstat(descriptor), path, rule)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(rule.most + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name contains a NUL"
        raise rule.refusal(f"{rule.called} cannot be read: {why}.", tip="Correct its name or permissions.") from None
    if len(content) > rule.most:
        raise rule.refusal(f"{rule.called} is longer than {rule.most:,} bytes.", tip="Is it the file you meant?")
    return content


def require_own_folder(path: Path, refusal: type[AiMemoryError], users: frozenset[int]) -> None:
    """Check that a folder is there, belongs to one of `users` and cannot be changed by others; links are followed.

    Raises:
        AiMemoryError: `refusal`: it is not, or cannot be looked at.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name contains a NUL"
        raise refusal(f"the folder {path} cannot be read: {why}.") from None
    if not stat.S_ISDIR(found.st_mode):
        raise refusal(f"{path} is not a folder.")
    forbidden = stat.S_IWOTH if _is_owners_own_group(found) else OTHERS_WRITE
    if found.st_uid not in users or stat.S_IMODE(found.st_mode) & forbidden:
        raise refusal(f"the folder {path} can be changed by others.")


def _judge(found: os.stat_result, path: Path, rule: Rule) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        raise rule.refusal(f"{rule.called} is not a regular file.", tip="Name a file.")
    if rule.users is not None and found.st_uid not in rule.users:
        raise rule.refusal(
            f"{rule.called} belongs to user {found.st_uid}, who can change it.",
            tip=f"If it should be yours, type: chown {os.geteuid()} {quote(str(path))}",
        )
    forbidden = rule.forbidden
    if forbidden == OTHERS_WRITE and _is_owners_own_group(found):
        forbidden = stat.S_IWOTH
    if mode & forbidden:
        deed = "change" if mode & OTHERS_WRITE else "read"
        raise rule.refusal(
            f"{rule.called} has mode {mode:03o}: others can {deed} it.",
            tip=f"Type: chmod {mode & ~rule.forbidden:03o} {quote(str(path))}",
        )


def _is_owners_own_group(found: os.stat_result) -> bool:
    """Return whether nobody but its owner is in the file's group, as where each user has one (umask 002)."""
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return (owner.pw_gid, owner.pw_name) == (group.gr_gid, group.gr_name) and set(group.gr_mem) <= {owner.pw_name}
