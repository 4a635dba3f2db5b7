"""The address of an endpoint: one grammar, so narrow that every parser of URLs sees the same host in it."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from ai_memory.frozen import Frozen

_FORM = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"""(?P<path>(?:/[!"$->@-\[\]-~]*)?)"""
    r"(?:\?(?P<query>api-version=(?:[0-9]{4}-[0-9]{2}-[0-9]{2}(?:-[a-z]{1,12})?|preview|latest|v[0-9]{1,3})))?",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""A last label like this makes a name a number to the resolver, however it is spelled (inet_aton)."""
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_LONGEST_NAME = 253
_LAST_PORT = 65_535
_PORTS = {"http": 80, "https": 443}


class Address(Frozen):
    """A scheme, a host (in small letters, IPv6 in brackets), a port (always a number), a path and Azure's version."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine: localhost, 127.0.0.0/8 or ::1."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def is_plain_to_others(self) -> bool:
        """Whether texts and key would go unencrypted to another machine."""
        return self.scheme == "http" and not self.is_loopback

    @property
    def shown(self) -> str:
        """The host, with its port where it is not the scheme's own."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"


def read(url: str) -> Address:
    """Return the address that a URL is.

    Raises:
        ValueError: it is none that can be meant; says why in words that quote nothing of it, as it may hold a key.
    """
    found = _FORM.fullmatch(url)
    if found is None or "@" in url:
        raise ValueError(_why(url))
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _PORTS[scheme])
    if port > _LAST_PORT:
        raise ValueError("has a port that does not exist")
    if not _is_host(host):
        raise ValueError("has a host that is neither a name nor an address in its usual spelling")
    return Address(scheme, host, port, found["path"], found["query"] or "")


def below(url: str, path: str) -> str:
    """Return the URL of `path` below a base URL, whose query stays at the end."""
    base, mark, query = url.partition("?")
    return f"{base.rstrip('/')}{path}{mark}{query}"


def _is_host(host: str) -> bool:
    try:
        if host.startswith("["):
            return bool(IPv6Address(host[1:-1]).packed)
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return bool(IPv4Address(host).packed)
    except ValueError:
        return False
    return len(host) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, host.split(".")))


def _why(url: str) -> str:
    """Return what is wrong with a URL that has not the form of one."""
    if "@" in url:
        return "carries a password, or something else before an @"
    if "?" in url or "#" in url:
        return "has a part after ? or #; only Azure's api-version may stand there"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "has characters that do not belong in an address"
    return "is not of the form https://host[:port]/path"
