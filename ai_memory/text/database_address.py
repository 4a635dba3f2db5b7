"""The address of a database on a server, where others have the path of a file; shown without its password."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PosixPath
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES = ("postgresql://", "postgres://")
SECRETS = ("password", "sslpassword", "oauth_client_secret")
"""Parameters of an address that are nobody's to see."""
URL, URL_FILE = "AI_MEMORY_STORE_URL", "AI_MEMORY_STORE_URL_FILE"
"""Where the environment has an address, or the path of a file with one, which comes first."""
MASKED = "***"
UNREADABLE = re.compile(r"://.*", re.DOTALL)


class DatabaseAddress(PosixPath):
    """An address that goes wherever the path of a database goes.

    As text it is what people may see, without its password; `address` is all of it. It is no file: what is asked of one
    is answered for a place that is there, and that is the same from every folder.
    """

    address: str

    def __new__(cls, address: str) -> Self:
        """Return the path of an address."""
        made = super().__new__(cls, shown(address))
        made.address = address
        return made

    def __init__(self, address: str) -> None:
        """Keep the address."""
        # Before 3.12 a path is made by __new__ alone.
        if sys.version_info >= (3, 12):
            super().__init__(shown(address))
        self.address = address

    def __str__(self) -> str:
        """Return what people may see."""
        return shown(self.address)

    def __fspath__(self) -> str:
        """Return the same, for a command that is named."""
        return str(self)

    def __reduce__(self) -> tuple[object, ...]:
        """Return what makes it anew in another process."""
        return DatabaseAddress, (self.address,)

    def absolute(self) -> Self:
        """Return it as it is."""
        return self

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Return True: whether a server answers is found out by asking it."""
        del follow_symlinks
        return True

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return True, as of `exists`."""
        del follow_symlinks
        return True


def is_address(text: str) -> bool:
    """Return whether a text is the address of a database on a server."""
    return text.startswith(SCHEMES)


def path_of(text: str) -> Path:
    """Return the place of a database that a text names: a server's, or a file."""
    return DatabaseAddress(text) if is_address(text) else Path(text)


def shown(address: str) -> str:
    """Return an address as people may see it: without its password, whatever else it holds."""
    try:
        parts = urlsplit(address)
        # As it was written: a list of hosts has ports that urlsplit does not read.
        user, at, hosts = parts.netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}{at}{hosts}"
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return UNREADABLE.sub(f"://{MASKED}", address)
    told = urlencode([(name, value) for name, value in query if name.lower() not in SECRETS], quote_via=quote)
    # Not by urlunsplit, which leaves the strokes out where no host is named.
    return f"{parts.scheme}://{netloc}{parts.path}{f'?{told}' if told else ''}"


def secrets_in(address: str) -> set[str]:
    """Return what of an address no message may show, as it is written and as it is meant."""
    try:
        parts = urlsplit(address)
        query = parse_qsl(parts.query)
    except ValueError:
        return set()
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    named = {value for name, value in query if name.lower() in SECRETS}
    return {each for each in (password, unquote(password), *named) if each}
