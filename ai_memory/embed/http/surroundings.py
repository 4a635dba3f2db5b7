"""What the environment puts between us and an endpoint: a CA bundle, a proxy. What cannot work is told at once.

None of it is mended by waiting, so none of it is an outage.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from pathlib import Path

from ai_memory.errors import Misconfigured

_SOCKS = "socks"
_PROXY_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
_BUNDLE = "Name the CA's file in REQUESTS_CA_BUNDLE"
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (4(?!08|29)[0-9]{2})\b")
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "HTTPS_PROXY_REQUEST"})
"""OpenSSL's reasons for what answers in no TLS that we speak."""


def require_bundle(path: str) -> None:
    """Check that certificates can be read from a CA bundle: a file, or a folder of such.

    Raises:
        Misconfigured: they cannot.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    folder = Path(path).is_dir()
    try:
        context.load_verify_locations(cafile=None if folder else path, capath=path if folder else None)
    except (OSError, ValueError) as error:
        # An SSLError is an OSError whose `strerror` is OpenSSL's.
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Misconfigured(f"the CA bundle {path} cannot be used: {why}.", tip=f"{_BUNDLE}, or unset it.") from None


def require_proxy(proxy: str) -> None:
    """Check that a proxy's address can be meant, and that its language is spoken here; its password is not shown.

    Raises:
        Misconfigured: it cannot, or is not.
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    tip = "Correct HTTPS_PROXY, ALL_PROXY or NO_PROXY in the environment."
    try:
        found = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    except LocationParseError:
        raise Misconfigured("the proxy of the environment has no address that can be read.", tip=tip) from None
    if not found.host or found.scheme not in _PROXY_SCHEMES:
        raise Misconfigured("the proxy of the environment is not of the form http://host[:port].", tip=tip)
    if found.scheme.startswith(_SOCKS) and not _speaks_socks():
        raise Misconfigured(
            f"the proxy {found.scheme}://{found.host} of the environment needs the library PySocks.",
            tip="Type: pip install PySocks",
        )


def misfit(causes: Iterable[BaseException], host: str) -> Misconfigured | None:
    """Return what is wrong with the setting where one of a failure's causes is not an outage, else None."""
    from urllib3.util.ssl_match_hostname import CertificateError

    for each in causes:
        if isinstance(each, ssl.SSLCertVerificationError | CertificateError):
            why = getattr(each, "verify_message", None) or f"{each}"
            return Misconfigured(
                f"{host} has a certificate that does not fit: {why.rstrip('.')}. Nothing was sent.",
                tip=f"Check [embeddings].base_url. {_BUNDLE} where it is a private one.",
            )
        if isinstance(each, ssl.SSLError) and each.reason in _NO_TLS:
            return Misconfigured(
                f"{host} does not speak TLS as it should: {each.reason.lower().replace('_', ' ')}. Nothing was sent.",
                tip="Check [embeddings].base_url: is it https:// there, and that port?",
            )
        if refused := _REFUSED_TUNNEL.search(f"{each}"):
            return Misconfigured(
                f"the proxy of the environment refuses to connect to {host} (HTTP {refused[1]}).",
                tip="Correct HTTPS_PROXY, or name the host in NO_PROXY.",
            )
    return None


def _speaks_socks() -> bool:
    try:
        from urllib3.contrib import socks
    except ImportError:
        return False
    return bool(socks)
