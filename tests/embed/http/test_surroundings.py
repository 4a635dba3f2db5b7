"""Certificates, bundles and proxies: what no waiting mends is told at once as what it is, and nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path
from zlib import crc32

import pytest

from ai_memory.embed.http.surroundings import require_bundle, require_proxy
from ai_memory.errors import Misconfigured
from tests.support.command import Answer, Command, remote_at
from tests.support.raw_endpoint import TLS, RawEndpoint, certificate, same, whole

TRUSTED = {"REQUESTS_CA_BUNDLE": str(TLS / "ca.pem")}
KEY = "sk-loopback-0123456789"


def truth(_head: bytes, request: bytes) -> tuple[bytes]:
    texts = json.loads(request)["input"]
    data = [{"index": i, "embedding": [len(each), 30, crc32(each.encode()) % 97, 1]} for i, each in enumerate(texts)]
    return (whole(json.dumps({"data": data}).encode()),)


def through(proxy: str) -> dict[str, str]:
    return {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": ""}


def reembed(tmp_path: Path, url: str, **env: str) -> Answer:
    command = Command(tmp_path / "m.db", {**remote_at(url), "AI_MEMORY_EMBED_API_KEY": KEY, **env})
    command.run("store", "-T", "title", "-c", "content", "--no-embed")
    return command.run("reembed", "--yes", "--json", "--retry-for", "60s")


@pytest.mark.parametrize(
    ("name", "env", "words"),
    [
        ("server", {}, "unable to get local issuer certificate"),
        ("other-name", TRUSTED, "IP address mismatch"),
        ("expired", TRUSTED, "certificate has expired"),
    ],
)
def test_a_certificate_that_does_not_fit_is_no_outage(
    tmp_path: Path, name: str, env: dict[str, str], words: str
) -> None:
    with RawEndpoint(truth, tls=certificate(name)) as server:
        answer = reembed(tmp_path, server.url, **env)

        assert server.heads == []
        assert server.connections == 1
    assert answer.code == 3
    assert words in answer.error
    assert "Nothing was sent." in answer.error


def test_a_private_ca_of_the_environment_is_trusted_on_loopback_too(tmp_path: Path) -> None:
    with RawEndpoint(truth, tls=certificate("server")) as server:
        assert reembed(tmp_path, server.url, **TRUSTED).code == 0


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_is_none_is_named_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    no_bundle = tmp_path / "empty.pem"
    no_bundle.touch()
    for path in (tmp_path / "nowhere.pem", no_bundle):
        with RawEndpoint(truth, tls=certificate("server")) as server:
            answer = reembed(tmp_path, server.url, **{"REQUESTS_CA_BUNDLE": "", name: str(path)})

            assert server.connections == 0
        assert answer.code == 3
        assert f"the CA bundle {path} cannot be used" in answer.error


def test_a_server_without_tls_is_no_outage(tmp_path: Path) -> None:
    with RawEndpoint(same(), greeting=whole(b"", status="400 Bad Request")) as server:
        answer = reembed(tmp_path, server.url.replace("http:", "https:"))

    assert answer.code == 3
    assert "does not speak TLS as it should" in answer.error


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://", "not of the form"),
        ("http://:8080", "not of the form"),
        ("http://me:secret@[::1", "no address that can be read"),
        ("http://me:secret@host:99999", "no address that can be read"),
        ("ftp://me:secret@host", "not of the form"),
        ("socks5://me:secret@127.0.0.1:1", "needs the library PySocks"),
    ],
)
def test_a_proxy_that_cannot_be_meant_is_no_outage(tmp_path: Path, proxy: str, words: str) -> None:
    answer = reembed(tmp_path, "https://embeddings.invalid/v1", **through(proxy))

    assert answer.code == 3
    assert words in answer.error
    assert "secret" not in answer.error


@pytest.mark.parametrize(("status", "code"), [("407 Proxy Authentication Required", 3), ("403 Forbidden", 3)])
def test_a_proxy_that_refuses_is_no_outage(tmp_path: Path, status: str, code: int) -> None:
    with RawEndpoint(same(whole(b"", status=status))) as proxy:
        answer = reembed(tmp_path, "https://embeddings.invalid/v1", **through(proxy.url.removesuffix("/v1")))

        assert [head.split()[0] for head in proxy.heads] == [b"CONNECT"]
        assert KEY.encode() not in proxy.heads[0]
    assert answer.code == code
    assert "the proxy of the environment refuses" in answer.error


def test_a_certificate_that_changes_in_the_middle_ends_the_run_with_what_it_has(tmp_path: Path) -> None:
    command = Command(tmp_path / "m.db", TRUSTED)
    lines = "".join(f'{{"title": "t{n}", "content": "{"c" * n}"}}\n' for n in range(1, 40))
    command.run("import", "-", "--no-embed", stdin=lines)
    with RawEndpoint(truth, tls=certificate("server")) as server:
        server.change_after(20, certificate("expired"))
        env = {**remote_at(server.url), **TRUSTED}
        answer = Command(command.db, env).run("reembed", "--yes", "--json", "--batch", "5", "--concurrency", "1")

    assert answer.code == 3
    assert "certificate has expired" in answer.error
    assert 0 < answer.json["reembedded"] < 39
    assert answer.json["state"] == "running"


def test_a_certificate_that_does_not_fit_leaves_search_by_words(tmp_path: Path) -> None:
    with RawEndpoint(truth, tls=certificate("expired")) as server:
        command = Command(tmp_path / "m.db", {**remote_at(server.url), **TRUSTED})
        stored, found = command.run("store", "-T", "a", "-c", "b"), command.run("recall", "a")

    assert (stored.code, found.code) == (0, 0)
    assert "certificate has expired" in stored.err
    assert "certificate has expired" in found.err


def test_a_bundle_may_be_a_folder() -> None:
    require_bundle(str(TLS))
    require_proxy("host.example:8080")
    with pytest.raises(Misconfigured):
        require_bundle("\0")
