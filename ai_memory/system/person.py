"""Who gave a command, for the people who later read of it."""

from __future__ import annotations

import os
import pwd
import socket


def who() -> str:
    """Return the user and the host of this process, like `ann on db1`."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"user {os.geteuid()}"
    return f"{name} on {socket.gethostname()}"
