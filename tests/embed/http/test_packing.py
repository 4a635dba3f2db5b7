"""Base64 is believed only where it once said the same as numbers, and what it breaks is asked for without it."""

from __future__ import annotations

import json
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ai_memory.config.embedding import resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble
from ai_memory.embed.flow.limiter import Unlimited
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.packing import FROM_NOW_ON, UNREADABLE, Packing, PackingEmbedder
from ai_memory.embed.http.transport import Endpoint
from ai_memory.embed.port import RetryPolicy
from ai_memory.embed.terms import Terms, Ties
from ai_memory.errors import CredentialsRefused, EmbedError, RowsRefused, TransientFailure, WrongTarget
from ai_memory.vectors.target import Target
from tests.support.command import remote, remote_at
from tests.support.fake_endpoint import FOREVER, FakeEndpoint, vector
from tests.support.raw_endpoint import RawEndpoint, whole

TEXTS = ["first", "second", "third"]
ONCE = RetryPolicy(retry_for=0, attempts=1)


def assembled(url: str, notes: list[str] | None = None, **configured: object) -> SplittingEmbedder:
    settings = resolve(Table(values={"embeddings": configured}), remote_at(url))
    return assemble(settings, Terms(ONCE), Ties(tell=(notes if notes is not None else []).append))


def undivided(url: str) -> PackingEmbedder:
    """Return an embedder whose calls are requests of all their texts, each tried once."""
    target, packing = Target(space="fake#none", dim=0, backend="openai-compatible", model="fake"), Packing()
    asking = HttpEmbedder(
        target, OpenAiDialect("fake"), Endpoint(url), max_batch=100, limiter=Unlimited(4), packing=packing
    )
    return PackingEmbedder(asking, packing)


def asked(endpoint: FakeEndpoint) -> list[tuple[int, str | None]]:
    """Return how many texts each request had, and the encoding it asked for."""
    return [(len(body["input"]), body.get("encoding_format")) for body in endpoint.seen.bodies]


def test_a_batch_is_asked_for_as_base64_once_numbers_agreed_and_a_single_text_as_numbers() -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url)
        for texts in (TEXTS, TEXTS[::-1], TEXTS[:1]):
            assert np.array_equal(embedder.embed_documents(texts), [endpoint.vector(text) for text in texts])

    assert asked(endpoint) == [(1, None), (3, "base64"), (3, "base64"), (1, None)]


def test_a_server_that_packs_other_numbers_later_is_asked_for_plain_ones() -> None:
    notes: list[str] = []
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url, notes, dim=16)
        embedder.embed_documents(TEXTS)
        endpoint.fail("narrow")
        found = embedder.embed_documents(TEXTS)
        embedder.embed_documents(TEXTS)

        assert np.array_equal(found, [endpoint.vector(text) for text in TEXTS])
    assert asked(endpoint) == [(1, None), (3, "base64"), (3, "base64"), (3, None), (3, None)]
    assert [note.startswith(FROM_NOW_ON) for note in notes] == [True]


def test_requests_side_by_side_give_base64_up_together() -> None:
    notes: list[str] = []
    with FakeEndpoint(latency=0.3) as endpoint, ThreadPoolExecutor(2) as threads:
        embedder = assembled(endpoint.url, notes, dim=16)
        embedder.embed_documents(TEXTS)
        endpoint.fail("narrow", times=2)
        found = list(threads.map(embedder.embed_documents, [TEXTS, TEXTS]))

    assert [len(each) for each in found] == [3, 3]
    assert len(notes) == 1


def test_a_base64_that_is_cut_short_from_the_middle_on_is_told_once() -> None:
    notes: list[str] = []
    cut = False

    def answer(_head: bytes, body: bytes) -> list[bytes]:
        request = json.loads(body)
        rows = [vector(text) for text in request["input"]]
        if "encoding_format" not in request:
            return [_ok([row.tolist() for row in rows])]
        return [_ok([b64encode(row.tobytes()).decode()[: -5 if cut else None] for row in rows])]

    with RawEndpoint(answer) as server:
        embedder = assembled(server.url, notes)
        embedder.embed_documents(TEXTS)
        cut = True
        found = [embedder.embed_documents(TEXTS) for _ in range(2)]

    assert np.allclose(found, [[vector(text) for text in TEXTS]] * 2)
    assert [note.startswith(UNREADABLE) for note in notes] == [True]


def test_a_model_of_another_width_is_no_matter_of_base64() -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url, dim=16)
        embedder.embed_documents(TEXTS)
        endpoint.fail("narrow", times=FOREVER)
        with pytest.raises(WrongTarget):
            embedder.embed_documents(TEXTS)


@pytest.mark.parametrize("named", [True, False])
def test_a_refused_base64_is_asked_for_once(*, named: bool) -> None:
    with FakeEndpoint(takes_base64=False, names_base64=named) as endpoint:
        embedder = assembled(endpoint.url)
        embedder.embed_documents(TEXTS)
        embedder.embed_documents(TEXTS)

    assert asked(endpoint) == [(1, None), (3, "base64"), (3, None), (3, None)]


def test_a_refusal_after_base64_has_passed_once_is_one_of_the_texts() -> None:
    with FakeEndpoint() as endpoint:
        embedder = undivided(endpoint.url)
        embedder.embed_documents(TEXTS)
        endpoint.change(poison="POISON")
        with pytest.raises(RowsRefused):
            embedder.embed_documents(["POISON", "second"])

    assert asked(endpoint)[2:] == [(2, "base64")]


def test_a_batch_that_is_refused_in_both_encodings_is_asked_for_as_numbers_and_base64_with_the_next() -> None:
    with FakeEndpoint(poison="POISON") as endpoint:
        embedder = undivided(endpoint.url)
        for _ in range(3):
            with pytest.raises(RowsRefused):
                embedder.embed_documents(["first", "POISON"])
        endpoint.change(poison="")
        embedder.embed_documents(["first", "POISON"])
        embedder.embed_documents(["fourth", "fifth", "sixth"])

    assert asked(endpoint) == [(1, None), (2, "base64"), *[(2, None)] * 4, (1, None), (3, "base64")]


def test_the_parts_of_a_first_batch_with_a_bad_text_cost_a_request_each() -> None:
    with FakeEndpoint(poison="POISON") as endpoint:
        outcomes = list(assembled(endpoint.url).each(["a", "b", "POISON", "d"]))

    assert [isinstance(each, EmbedError) for each in outcomes] == [False, False, True, False]
    assert [count for count, _ in asked(endpoint)] == [1, 4, 4, 2, 2, 1, 1]


def test_a_bad_text_that_base64_would_be_compared_with_does_not_hide_the_batch() -> None:
    with FakeEndpoint(poison="POISON", poison_number="nan") as endpoint:
        outcomes = list(assembled(endpoint.url).each(["POISON", "b", "c", "d"]))

    assert [isinstance(each, EmbedError) for each in outcomes] == [True, False, False, False]
    assert [count for count, _ in asked(endpoint)] == [1, 4, 1]


def test_a_server_that_no_longer_knows_base64_is_asked_for_numbers() -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url)
        embedder.embed_documents(TEXTS)
        endpoint.change(takes_base64=False)
        found = embedder.embed_documents(TEXTS)
        embedder.embed_documents(TEXTS)

    assert np.array_equal(found, [endpoint.vector(text) for text in TEXTS])
    assert asked(endpoint)[2:] == [(3, "base64"), (3, None), (3, None)]


@pytest.mark.parametrize(
    ("fault", "expected"), [("unauthorized", CredentialsRefused), ("unavailable", TransientFailure)]
)
def test_what_no_encoding_causes_is_not_asked_again_without_it(fault: str, expected: type[EmbedError]) -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url)
        endpoint.fail("none")
        endpoint.fail(fault, times=FOREVER)
        with pytest.raises(expected):
            embedder.embed_documents(TEXTS)

    assert asked(endpoint) == [(1, None), (3, "base64")]


def test_a_batch_that_has_to_wait_does_not_send_its_first_text_alone_again() -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url).with_retry_policy(RetryPolicy(retry_for=60))
        endpoint.fail("none")
        endpoint.fail("rate", times=2, seconds=0.01)
        embedder.embed_documents(TEXTS)

    assert [count for count, _ in asked(endpoint)] == [1, 3, 3, 3]


Answer = Callable[[Sequence[str], dict[str, Any]], bytes]


def _packed(code: str) -> Answer:
    """Return a server whose base64 holds numbers of another format."""

    def answer(texts: Sequence[str], _asked: dict[str, Any]) -> bytes:
        numbers = [vector(text).tolist() for text in texts]
        rows = [b64encode(struct.pack(f"{code[0]}{len(each)}{code[1]}", *each)).decode() for each in numbers]
        return _ok(rows)

    return answer


def _ok(embeddings: Sequence[object]) -> bytes:
    rows = [{"index": index, "embedding": each} for index, each in enumerate(embeddings)]
    return whole(json.dumps({"data": rows}).encode())


def _breaks(body: bytes, status: str = "200 OK") -> Answer:
    return lambda _texts, _asked: whole(body, status=status)


def _hangs_up(_texts: Sequence[str], _asked: dict[str, Any]) -> bytes:
    """End the conversation without an answer.

    Raises:
        ConnectionResetError: always, to the server.
    """
    raise ConnectionResetError


BROKEN: dict[str, Answer] = {
    "float16": _packed("<e"),
    "float64": _packed("<d"),
    "big-endian": _packed(">f"),
    "another text's": lambda texts, _asked: _ok([vector(f"{text}!").tolist() for text in texts]),
    "scaled": lambda texts, _asked: _ok([(2 * vector(text)).tolist() for text in texts]),
    "no data": _breaks(b'{"data": []}'),
    "no list": _breaks(b'{"object": "list"}'),
    "empty strings": lambda texts, _asked: _ok(["" for _ in texts]),
    "null": lambda texts, _asked: _ok([None for _ in texts]),
    "zeros": lambda texts, _asked: _ok([[0.0] * 16 for _ in texts]),
    "no body": _breaks(b""),
    "a page": _breaks(b"<html>"),
    "an error with 200": _breaks(b'{"error": "encoding not implemented"}'),
    "400": _breaks(b"{}", "400 Bad Request"),
    "404": _breaks(b"{}", "404 Not Found"),
    "415": _breaks(b"{}", "415 Unsupported"),
    "422": _breaks(b"{}", "422 Unprocessable"),
    "500": _breaks(b'{"error": "cannot marshal"}', "500 Broken"),
    "501": _breaks(b"{}", "501 Not Implemented"),
    "502": _breaks(b"", "502 Bad Gateway"),
    "a broken connection": _hangs_up,
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_an_endpoint_that_only_its_base64_breaks_is_asked_for_numbers(kind: str) -> None:
    def answer(_head: bytes, body: bytes) -> list[bytes]:
        request = json.loads(body)
        plain = "encoding_format" not in request
        return [
            _ok([vector(text).tolist() for text in request["input"]])
            if plain
            else BROKEN[kind](request["input"], request)
        ]

    with RawEndpoint(answer) as server:
        notes: list[str] = []
        embedder = assembled(server.url, notes)
        found = [embedder.embed_documents(TEXTS) for _ in range(2)]
        requests = len(server.heads)

    for each in found:
        assert np.allclose(each, [vector(text) for text in TEXTS])
    assert requests == 4
    refused = kind[0] in "45"
    assert len(notes) == (not refused)
    assert all(note.startswith(FROM_NOW_ON) for note in notes)


@pytest.mark.parametrize(("configured", "expected"), [("float", [None, None]), ("base64", ["base64", "base64"])])
def test_the_configuration_decides_the_encoding(configured: str, expected: list[str | None]) -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint.url, encoding_format=configured)
        embedder.embed_documents(TEXTS)
        embedder.embed_query("one")

    assert [encoding for _, encoding in asked(endpoint)] == expected


def test_a_base64_that_is_always_sent_and_no_float32_is_refused() -> None:
    def answer(_head: bytes, body: bytes) -> list[bytes]:
        return [_packed("<e")(json.loads(body)["input"], {})]

    with RawEndpoint(answer) as server, pytest.raises(EmbedError, match="has a length outside of"):
        assembled(server.url).embed_documents(TEXTS)


def test_several_threads_decide_once() -> None:
    with FakeEndpoint(latency=0.05) as endpoint:
        embedder = assembled(endpoint.url)
        texts = [[f"a{n}", f"b{n}"] for n in range(4)]
        threads = [threading.Thread(target=embedder.embed_documents, args=(each,)) for each in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sum(count == 1 for count, _ in asked(endpoint)) == 1
    assert sum(encoding == "base64" for _, encoding in asked(endpoint)) == 4


def test_an_ollama_is_never_asked_for_base64() -> None:
    with FakeEndpoint() as endpoint:
        environ = {
            **remote(endpoint),
            "AI_MEMORY_EMBED_BACKEND": "ollama",
            "AI_MEMORY_EMBED_BASE_URL": endpoint.ollama_url,
        }
        embedder = assemble(resolve(Table(values={"embeddings": {"encoding_format": "base64"}}), environ))
        embedder.embed_documents(TEXTS)

    assert asked(endpoint) == [(3, None)]
