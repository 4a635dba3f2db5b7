"""When a request fails: is it a row's fault, the batch's size, the requests side by side, or the endpoint's?"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2
from pathlib import Path

import pytest

from tests import files
from tests.command import Answer, Command, remote
from tests.fake_endpoint import FOREVER, FakeEndpoint
from tests.faults import close_breaker

ROWS = 100
BATCH = 20
FLAGS = ("--yes", "--batch", str(BATCH), "--concurrency", "1", "--retry-for", "1s")


@pytest.fixture
def server() -> Iterator[FakeEndpoint]:
    with FakeEndpoint() as endpoint:
        yield endpoint


def notes(path: Path, endpoint: FakeEndpoint, *poison: int) -> Command:
    """Return the command on a file of rows without vectors; the texts of `poison` contain that word."""
    command = Command(path / "m.db", remote(endpoint))
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


def undisturbed() -> int:
    """Return the requests of a run in which nothing fails: its pages, the probe and the witness at the end."""
    return ROWS // BATCH + 2


REFUSING = [
    {"poison_fault": "bad-request"},
    {"poison_fault": "too-large"},
    {"poison_fault": "unprocessable"},
    {"poison_fault": "forbidden"},
    {"poison_fault": "not-acceptable"},
    {"poison_fault": "no-model"},
    {"poison_number": "nan"},
    {"poison_number": "inf"},
    {"poison_number": "0"},
]


@pytest.mark.parametrize("how", REFUSING, ids=lambda how: "-".join(how.values()))
@pytest.mark.parametrize("row", [0, 57])
def test_a_text_that_gets_no_vector_harms_only_its_row_and_costs_few_requests(
    tmp_path: Path, server: FakeEndpoint, how: dict[str, str], row: int
) -> None:
    command = notes(tmp_path, server, row)
    server.change(poison="POISON", **how)

    answer = command.reembed(*FLAGS)

    assert (answer.code, quarantined(command)) == (10, 1)
    assert without_vector(command) == {f"POISON t{row} content of it"}
    assert server.seen.requests <= undisturbed() + 2 * ceil(log2(BATCH)) + 2


@pytest.mark.parametrize("how", REFUSING, ids=lambda how: "-".join(how.values()))
def test_two_such_texts_in_one_batch_are_both_named(tmp_path: Path, server: FakeEndpoint, how: dict[str, str]) -> None:
    command = notes(tmp_path, server, 41, 42)
    server.change(poison="POISON", **how)

    assert command.reembed(*FLAGS).code == 10
    assert (quarantined(command), len(without_vector(command))) == (2, 2)


@pytest.mark.parametrize("how", REFUSING, ids=lambda how: "-".join(how.values()))
def test_a_batch_of_one_is_decided_by_the_harmless_text(
    tmp_path: Path, server: FakeEndpoint, how: dict[str, str]
) -> None:
    command = notes(tmp_path, server, 3)
    server.change(poison="POISON", **how)

    answer = command.reembed("--yes", "--batch", "1", "--concurrency", "1", "--retry-for", "1s")

    assert (answer.code, quarantined(command), len(without_vector(command))) == (10, 1, 1)


@pytest.mark.parametrize("fault", ["server-error", "dependency", "crashed", "close", "reset"])
def test_a_text_over_which_the_server_breaks_down_is_left_and_all_others_are_done(
    tmp_path: Path, server: FakeEndpoint, fault: str
) -> None:
    command = notes(tmp_path, server, 57)
    server.change(poison="POISON", poison_fault=fault)

    answer = command.reembed(*FLAGS)

    assert (answer.code, answer.json["reason"], quarantined(command)) == (75, "rows left", 0)
    assert without_vector(command) == {"POISON t57 content of it"}


@pytest.mark.parametrize("fault", ["dependency", "server-error", "too-large", "bad-request", "first-only", "close"])
@pytest.mark.parametrize("most", [1, 2, 7])
def test_a_size_that_the_endpoint_does_not_take_is_learned_whatever_it_says(
    tmp_path: Path, server: FakeEndpoint, fault: str, most: int
) -> None:
    command = notes(tmp_path, server)
    server.change(max_inputs=most, inputs_fault=fault)

    answer = command.reembed(*FLAGS)

    assert (answer.code, without_vector(command)) == (0, set())
    sizes = [len(body["input"]) for body in server.seen.bodies]
    assert max(sizes[-ROWS // BATCH :]) <= most
    assert sum(size > most for size in sizes) <= 4 * ceil(log2(BATCH))


def test_a_size_that_was_learned_is_kept_for_the_next_start(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server)
    server.change(max_inputs=2, inputs_fault="dependency")
    assert command.reembed(*FLAGS, "--max-rows", "40").code == 75
    server.seen.bodies.clear()

    assert command.reembed(*FLAGS, "--resume").code == 0
    assert max(len(body["input"]) for body in server.seen.bodies if "POISON" not in body["input"][0]) <= 3


def test_a_text_too_large_by_itself_makes_no_later_request_smaller(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server, 0, 1)
    server.change(poison="POISON", poison_fault="too-large")

    assert command.reembed(*FLAGS).code == 10
    assert len(server.seen.bodies[-2]["input"]) == BATCH


@pytest.mark.parametrize(
    ("fault", "code"),
    [("forbidden", 77), ("unauthorized", 77), ("no-model", 78), ("bad-request", 69), ("nan", 69), ("short", 69)],
)
def test_what_every_text_meets_blames_no_row(tmp_path: Path, server: FakeEndpoint, fault: str, code: int) -> None:
    command = notes(tmp_path, server)
    server.fail("none", times=2)
    server.fail(fault, times=FOREVER)

    answer = command.reembed(*FLAGS)

    assert (answer.code, quarantined(command)) == (code, 0)


@pytest.mark.parametrize("healthy", [0, 2])
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


@pytest.mark.parametrize("refusals", range(1, 9))
def test_a_text_that_is_refused_for_a_while_is_never_quarantined(
    tmp_path: Path, server: FakeEndpoint, refusals: int
) -> None:
    command = notes(tmp_path, server)
    server.fail("none")
    server.fail("bad-request", times=min(refusals, 6))
    if refusals > 6:
        server.fail("none")

    assert command.reembed(*FLAGS).code == 0
    assert quarantined(command) == 0


def test_answers_that_requests_side_by_side_spoil_lower_the_number_in_flight(tmp_path: Path) -> None:
    with FakeEndpoint(mixes_up=True, latency=0.02) as endpoint:
        command = notes(tmp_path, endpoint)
        answer = command.reembed("--yes", "--batch", "5", "--concurrency", "8", "--retry-for", "20s")

    assert answer.code == 0
    assert endpoint.seen.texts.total() < 2 * ROWS


@pytest.mark.parametrize("most", [1, 2])
def test_the_batch_asked_for_holds_for_the_probe_and_the_witness(
    tmp_path: Path, server: FakeEndpoint, most: int
) -> None:
    command = notes(tmp_path, server)

    assert command.reembed("--yes", "--batch", str(most)).code == 0
    assert max(len(body["input"]) for body in server.seen.bodies) == most


def test_more_than_fifty_refused_texts_are_the_endpoints_fault(tmp_path: Path, server: FakeEndpoint) -> None:
    command = notes(tmp_path, server, *range(60))
    server.change(poison="POISON", poison_number="nan")

    answer = command.reembed(*FLAGS)

    assert answer.code == 69
    assert quarantined(command) <= 50


def test_where_no_token_is_left_for_the_harmless_text_what_was_paid_for_is_kept(
    tmp_path: Path, server: FakeEndpoint
) -> None:
    command = notes(tmp_path, server, *range(0, ROWS, 4))
    server.change(poison="POISON", poison_number="nan", tokens_a_byte=1.0)

    answers: list[Answer] = [command.reembed(*FLAGS, "--max-tokens", "1500")]
    while answers[-1].code == 75:
        before = len(without_vector(command))
        answers.append(command.reembed(*FLAGS, "--max-tokens", "1500", "--resume"))
        assert answers[-1].code == 10 or len(without_vector(command)) < before or answers[-1].json["quarantined"]

    assert answers[-1].code == 10
    assert all(each.json["tokens"] <= 1500 for each in answers)
