"""One reader of addresses: what it takes leads where it says, whatever else parses it on the way."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3 import PoolManager
from urllib3.util import parse_url

from ai_memory.config.vendors import VENDORS
from ai_memory.embed.http.transport import Endpoint, Transport
from ai_memory.errors import WrongTarget
from ai_memory.text import address

WHY = r"has|is not|carries"
LOOPBACK = ["127.0.0.1", "127.8.9.1", "[::1]", "[0:0::0:1]", "localhost", "LOCALHOST"]
OTHERS = [
    "example.org",
    "10.0.0.1",
    "0.0.0.0",
    "[::]",
    "[::ffff:10.0.0.1]",
    "xn--bcher-kva.example",
    "a_b.example",
    "a-b",
]
NUMBERS = [
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "127.1",
    "0177.0.0.1",
    "127.0.0.01",
    "1.2.3.0x4",
    "127.0.0.1.",
    "256.0.0.1",
]
NO_HOSTS = [
    *NUMBERS,
    "localhost.",
    ".localhost",
    "local..host",
    "-a.example",
    "[::1%25lo]",
    "[::1%lo]",
    "[fe80::1%eth0]",
    "[v1.x]",
    "::1",
    "[::1",
    "[127.0.0.1]",
    "127.0.0.1%2f",
    "\uff11\uff12\uff17.0.0.1",
    "local\u00adhost",
    "bücher.example",
    "a" * 64,
    "a\tb",
    "a b",
    "*.example",
    "",
]
PIECES = st.sampled_from(
    [
        *LOOPBACK,
        *OTHERS,
        *NUMBERS,
        *"\\@:/?#[]%. \t\n\x00\u3002\u2025",
        "%5c",
        "%40",
        "http://",
        "https://",
        ":80",
        "//",
        "me:pw@",
    ]
)


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_is_known_in_its_usual_spellings(host: str) -> None:
    assert address.read(f"http://{host}:8080/v1").is_loopback


@pytest.mark.parametrize("host", OTHERS)
def test_another_machine_is_no_loopback(host: str) -> None:
    assert address.read(f"http://{host}/v1").is_plain_to_others


@pytest.mark.parametrize("host", NO_HOSTS)
@pytest.mark.parametrize("rest", ["/v1", ":8080/v1"])
def test_a_host_in_an_odd_spelling_is_none(host: str, rest: str) -> None:
    with pytest.raises(ValueError, match=WHY):
        address.read(f"http://{host}{rest}")


@pytest.mark.parametrize(
    "port", [":", ":0", ":080", ":65536", ":99999999999", ":8a", ":-1", ":+1", ":\uff18\uff10", ":80:80"]
)
def test_an_odd_port_is_none(port: str) -> None:
    with pytest.raises(ValueError, match=WHY):
        address.read(f"http://127.0.0.1{port}/v1")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org\\[::1]",
        "http://example.org\\@127.0.0.1/v1",
        "http://127.0.0.1/@example.org/v1",
        "http:\\\\127.0.0.1/v1",
        "http:/127.0.0.1/v1",
        "http:///127.0.0.1/v1",
        "//127.0.0.1/v1",
        " http://127.0.0.1/v1",
        "http://127.0.0.1/v1\n",
        "http://127.0.0.1/v 1",
        "http://127.0.0.1/vé",
        "file://127.0.0.1/v1",
        "http+unix://127.0.0.1/v1",
    ],
)
def test_what_readers_may_disagree_on_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=WHY):
        address.read(url)


@pytest.mark.parametrize(
    "url", ["https://me:sk-12345678/x@host/v1", "sk-12345678@host", "https://h/?sk-12345678", "sk-12345678"]
)
def test_a_refusal_quotes_nothing(url: str) -> None:
    with pytest.raises(ValueError, match=WHY) as caught:
        address.read(url)

    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("version", ["2024-02-01", "2025-04-01-preview", "preview", "latest", "v1"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_api_version_of_azure_stays_behind_the_path(version: str, slash: str) -> None:
    base = f"https://x.openai.azure.com/openai/deployments/emb{slash}?api-version={version}"

    assert address.read(base).query == f"api-version={version}"
    asked = f"https://x.openai.azure.com/openai/deployments/emb/embeddings?api-version={version}"
    assert address.below(base, "/embeddings") == asked
    assert callable(Transport(Endpoint(base), connections=1).prepare("/embeddings", b"{}", limit=1))


@pytest.mark.parametrize(
    "query",
    ["?", "?key=abc", "?api-version=", "?api-version=sk-12345678", "?api-version=2024-02-01&key=abc", "?a#b", "#a"],
)
def test_any_other_query_may_hold_a_key_and_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"after \? or #") as caught:
        address.read(f"https://example.org/v1{query}")

    assert "abc" not in str(caught.value)


@given(st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["http://", "https://", "HTTP://", ""]))
@example("example.org:8791\\[::1]", "http://")
@example("example.org\\[::1]:80", "http://")
def test_whatever_is_taken_is_where_the_library_connects(rest: str, scheme: str) -> None:
    url = f"{scheme}{rest}"
    try:
        found = address.read(url)
    except ValueError:
        return
    prepared = f"{requests.Request('POST', f'{url}/embeddings').prepare().url}"
    pool = PoolManager().connection_from_url(prepared)

    hosts = {found.host.strip("[]"), f"{parse_url(prepared).host}".strip("[]"), f"{urlsplit(prepared).hostname}"}
    assert hosts == {pool.host.strip("[]").lower()}
    assert (pool.scheme, pool.port or pool.ConnectionCls.default_port) == (found.scheme, found.port)
    assert found.is_loopback == reaches_loopback(pool.host)


def reaches_loopback(host: str) -> bool:
    """Whether the system's own resolver takes a host for this machine; a name is not asked for."""
    if host.lower() == "localhost":
        return True
    try:
        found = socket.getaddrinfo(host.strip("[]"), 0, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return False
    return all(each[4][0] == "::1" or str(each[4][0]).startswith("127.") for each in found)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_no_request_is_prepared_for_a_host_that_the_policy_forbids(rest: str) -> None:
    url = f"http://{rest}"
    try:
        transport = Transport(Endpoint(url, loopback_only=True), connections=1)
        transport.prepare("/embeddings", b"{}", limit=1)
    except (ValueError, WrongTarget):
        return

    assert reaches_loopback(PoolManager().connection_from_url(f"{url}/embeddings").host)


@pytest.mark.parametrize("url", ["http://example.org/v1", "https://example.org/v1"])
def test_a_transport_asks_no_host_that_it_may_not(url: str) -> None:
    with pytest.raises(WrongTarget, match="cannot be asked"):
        Transport(Endpoint(url, loopback_only=True), connections=1).prepare("/embeddings", b"{}", limit=1)


def test_the_vendors_addresses_are_addresses() -> None:
    assert all(address.read(vendor.base_url).host for vendor in VENDORS if vendor.base_url)
