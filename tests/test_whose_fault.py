"""When a request fails: is it a row's fault, the batch's size, the requests side by side, or the endpoint's?"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Answer, Command, remote, remote_at
from tests.support.fake_endpoint import FOREVER, FakeEndpoint, vector
from tests.support.faults import START, close_breaker
from tests.support.raw_endpoint import RawEndpoint, whole

ROWS = 100
BATCH = 20
FLAGS = ("--yes", "--batch", str(BATCH), "--concurrency", "1", "--retry-for", "1s")


@pytest.fixture
def server() -> Iterator[FakeEndpoint]:
    with FakeEndpoint() as endpoint:
        yield endpoint


def notes(path: Path, endpoint: FakeEndpoint | dict[str, str], *poison: int) -> Command:
    """Return the command on a file of rows without vectors; the texts of `poison` contain that word."""
    command = Command(path / "m.db", endpoint if isinstance(endpoint, dict) else remote(endpoint))
    titles = [f"{'POISON ' if n in poison else ''}t{n}" for n in range(ROWS)]
    lines = "".join(f'{{"title": "{title}", "content": "content of it"}}\n' for title in titles)
    assert command.run("import", "-", "--no-embed", stdin=lines).code == 0
    return command


def without_vector(command: Command) -> set[str]:
    """Return the texts of the rows that have no vector."""
    texts = files.texts(command.db)
    return {texts[row] for row, blob in files.vectors(command.db).items() if blob is None}


def quarantined(command: Command) -> int:
    return len(files.execute(command.db, "SELECT 1 FROM reembed_quarantine"))


@pytest.mark.parametrize("how", [{"poison_fault": "forbidden"}, {"poison_number": "nan"}], ids=["403", "nan"])
def test_a_text_that_gets_no_vector_is_named_and_all_others_are_done(
    tmp_path: Path, server: FakeEndpoint, how: dict[str, str]
) -> None:
    command = notes(tmp_path, server, 57)
    server.change(poison="POISON", **how)

    answer = command.reembed(*FLAGS)

    assert (answer.code, quarantined(command)) == (10, 1)
    assert without_vector(command) == {"POISON t57 content of it"}


@pytest.mark.timeout(60)
def test_a_text_for_which_alone_fewer_requests_are_asked_is_left_and_holds_up_no_other(
    tmp_path: Path, server: FakeEndpoint
) -> None:
    command = notes(tmp_path, server, 57)
    server.change(poison="POISON", poison_fault="rate")

    answer = command.reembed("--yes", "--batch", str(BATCH))

    assert (answer.code, answer.json["reason"], quarantined(command)) == (75, "rows left", 0)
    assert "POISON" not in answer.error
    assert "fails on 1 row only" in answer.error
    assert without_vector(command) == {"POISON t57 content of it"}
    assert server.seen.requests < ROWS


def test_a_size_that_was_learned_is_kept_for_the_next_start(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server)
    server.change(max_inputs=7, inputs_fault="dependency")
    assert command.reembed(*FLAGS, "--max-rows", "40").code == 75
    server.seen.bodies.clear()

    assert command.reembed(*FLAGS, "--resume").code == 0
    assert max(len(body["input"]) for body in server.seen.bodies) <= 7


def test_where_a_proxy_tells_an_overload_of_larger_requests_only_smaller_ones_are_sent(
    tmp_path: Path, server: FakeEndpoint
) -> None:
    command = notes(tmp_path, server)
    server.change(max_inputs=7, inputs_fault="unavailable")

    assert command.reembed(*FLAGS, "--retry-for", "60s").code == 0
    assert without_vector(command) == set()


def test_a_text_that_ends_the_server_is_named_and_all_others_are_done(tmp_path: Path) -> None:
    up = [0.0]

    def answer(_head: bytes, body: bytes) -> list[bytes]:
        texts: list[str] = json.loads(body)["input"]
        if any("POISON" in text for text in texts):
            up[0] = time.monotonic() + 0.5
        if time.monotonic() < up[0]:
            raise ConnectionResetError
        rows = [{"index": n, "embedding": vector(text).tolist()} for n, text in enumerate(texts)]
        return [whole(json.dumps({"data": rows}).encode())]

    with RawEndpoint(answer) as endpoint:
        command = notes(tmp_path, remote_at(endpoint.url), 57)
        ended = command.reembed(*FLAGS, "--retry-for", "10s")

    assert (ended.code, ended.json["reason"]) == (75, "rows left")
    assert without_vector(command) == {"POISON t57 content of it"}


def test_one_vector_for_an_array_is_learned_from_the_first_batch(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server)
    server.change(max_inputs=1, inputs_fault="first-only")

    answer = command.reembed(*FLAGS)

    assert (answer.code, answer.err.count("one text per request from now on")) == (0, 1)
    assert without_vector(command) == set()
    assert sum(len(body["input"]) > 1 for body in server.seen.bodies) <= 6


def test_one_vector_for_two_texts_of_which_one_is_bad_is_no_size(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server, *range(0, ROWS, 10))
    server.change(poison="POISON", poison_fault="short")

    assert (command.reembed(*FLAGS, "--batch", "2").code, quarantined(command)) == (10, ROWS // 10)
    assert sum(len(body["input"]) == 2 for body in server.seen.bodies) >= ROWS // 2


@pytest.mark.parametrize(
    "healthy", [START - 1, START, START + 1], ids=["text compared with", "first batch", "first row asked again"]
)
@pytest.mark.parametrize(("fault", "code"), [("forbidden", 77), ("no-model", 78), ("bad-request", 69), ("short", 69)])
def test_what_every_text_meets_blames_no_row(
    tmp_path: Path, server: FakeEndpoint, fault: str, code: int, healthy: int
) -> None:
    command = notes(tmp_path, server)
    server.fail("none", times=healthy)
    server.fail(fault, times=FOREVER)

    answer = command.reembed(*FLAGS)

    assert (answer.code, quarantined(command)) == (code, 0)


def test_a_redirect_in_passing_ends_no_run(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server)
    server.fail("none", times=START + 2)
    server.fail("redirect")

    assert command.reembed(*FLAGS).code == 0


@pytest.mark.parametrize("healthy", [0, START])
def test_a_crash_told_as_400_is_an_outage_and_passes(tmp_path: Path, server: FakeEndpoint, healthy: int) -> None:
    command = notes(tmp_path, server)
    if healthy:
        server.fail("none", times=healthy)
    server.fail("crashed", times=FOREVER)

    assert (command.reembed(*FLAGS).code, quarantined(command)) == (75, 0)
    assert command.reembed(*FLAGS, "--resume").json["reason"] == "breaker open"
    server.heal()
    close_breaker(command.db)
    assert command.reembed(*FLAGS, "--resume").code == 0


def test_answers_that_requests_side_by_side_spoil_lower_the_number_in_flight(tmp_path: Path) -> None:
    with FakeEndpoint(mixes_up=True, latency=0.02) as endpoint:
        command = notes(tmp_path, endpoint)
        answer = command.reembed("--yes", "--batch", "5", "--concurrency", "8", "--retry-for", "20s")

    assert answer.code == 0
    # Rows asked again among them.
    assert endpoint.seen.texts.total() < 3 * ROWS


def test_the_batch_asked_for_holds_for_the_probe_and_the_witness(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server)

    assert command.reembed("--yes", "--batch", "2").code == 0
    assert max(len(body["input"]) for body in server.seen.bodies) == 2


def test_more_than_fifty_refused_texts_are_the_endpoints_fault(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server, *range(60))
    server.change(poison="POISON", poison_number="nan")

    answer = command.reembed(*FLAGS)

    assert answer.code == 69
    assert quarantined(command) <= 50


def test_where_no_token_is_left_for_the_harmless_text_what_was_paid_for_is_kept(
    tmp_path: Path, server: FakeEndpoint
) -> None:
    command = notes(tmp_path, server, *range(0, ROWS, 10))
    server.change(poison="POISON", poison_number="nan", tokens_a_byte=1.0)

    answers: list[Answer] = [command.reembed(*FLAGS, "--max-tokens", "1500")]
    while answers[-1].code == 75 and len(answers) < 10:
        answers.append(command.reembed(*FLAGS, "--max-tokens", "1500", "--resume"))

    assert answers[-1].code == 10
    assert all(each.json["tokens"] <= 1500 for each in answers)


def test_an_error_in_a_200_ends_a_run_like_any_other_and_divides_nothing(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server)
    server.change(words="Unauthorized")
    server.fail("none", times=START + 4)
    server.fail("told-200", times=FOREVER)

    answer = command.reembed(*FLAGS)

    assert (answer.code, quarantined(command)) == (77, 0)
    assert server.seen.requests <= START + 6


@pytest.mark.parametrize(
    ("fault", "words"), [("rate-until", "asks for fewer requests"), ("full-until", "is in trouble")]
)
def test_of_a_wait_of_years_every_sentence_says_that_it_is_a_day(
    tmp_path: Path, server: FakeEndpoint, fault: str, words: str
) -> None:
    command = notes(tmp_path, server)
    server.fail("none", times=START + 4)
    server.fail(fault, times=FOREVER, seconds=1e9)

    ended = command.reembed(*FLAGS)
    shown = command.run("reembed", "status").out
    refused = command.reembed(*FLAGS, "--resume")

    assert (ended.code, refused.code) == (75, 75)
    for said in (ended.err, shown, refused.err):
        assert re.search("asked again in (24 h|23 h 59 min)", said)
        assert words in said
        assert " days" not in said
    assert f"the endpoint {words}; it is asked again" in shown
    assert "not answer" not in refused.err
