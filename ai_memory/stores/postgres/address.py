"""Tells the address of a database from the path of a file, and shows it without its password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

SCHEMES = ("postgresql://", "postgres://")
SECRETS = ("password", "sslpassword", "passfile", "sslkey", "oauth_client_secret")
"""Parameters of an address that are no-one's to see."""
MASKED = "***"
UNREADABLE = re.compile(r"://.*")


def is_address(text: str) -> bool:
    """Return whether a text is the address of a PostgreSQL database."""
    return text.startswith(SCHEMES)


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
    return urlunsplit((parts.scheme, netloc, parts.path, told, ""))
