"""What is no message of the protocol is refused, and what is one goes on being answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.support.agent import Place

CALL = b'{"jsonrpc": "2.0", "id": %b, "method": "tools/call", "params": {"name": "memory_get", "arguments": %b}}'
PING = b'{"jsonrpc": "2.0", "id": "last", "method": "ping"}'
BROKEN, NO_REQUEST = -32700, -32600


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        (CALL % (b"7", rb'{"name": "\ud83d"}'), 7, BROKEN),
        (CALL % (b'"seven"', b'{"name": %b}' % (b"9" * 5_000)), "seven", BROKEN),
        (CALL % (b"7", b'{"id": 8, "name": %b%b}' % (b"[" * 5_000, b"]" * 5_000)), 7, BROKEN),
        (CALL % (b"7", b'{"name": "a\xff"}'), 7, BROKEN),
        (CALL % (b'"\xff"', b"{}"), None, BROKEN),
        (CALL[:40] % b"7", 7, BROKEN),
        (b"hello", None, BROKEN),
        (b'{"id": 7, "method": "ping"}', 7, NO_REQUEST),
    ],
)
def test_a_line_that_cannot_be_read_is_answered_with_an_error(
    place: Place, line: bytes, number: object, code: int
) -> None:
    words = [sys.executable, "-m", "ai_memory", *place.named, "mcp"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(b"\n%b\n%b\n" % (line, PING))
        server.stdin.flush()

        refused, ponged = (json.loads(server.stdout.readline()) for _ in range(2))
        server.stdin.close()

    assert (refused["id"], refused["error"]["code"]) == (number, code)
    assert refused["error"]["message"].endswith("Send one message of JSON-RPC 2.0 per line, in UTF-8.")
    assert ponged == {"jsonrpc": "2.0", "id": "last", "result": {}}
