"""Endpoints that answer and do not tell the truth: of their vectors, of their tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import files
from tests.command import Command, remote
from tests.fake_endpoint import FOREVER, FakeEndpoint
from tests.faults import close_breaker

ROWS = 26


def notes(path: Path, endpoint: FakeEndpoint) -> Command:
    """Return the command on a file of rows without vectors."""
    command = Command(path / "m.db", remote(endpoint))
    lines = "".join(f'{{"title": "t{n}", "content": "content number {n}"}}\n' for n in range(ROWS))
    assert command.run("import", "-", "--no-embed", stdin=lines).code == 0
    return command


def with_vector(command: Command) -> int:
    return sum(blob is not None for blob in files.vectors(command.db).values())


@pytest.mark.parametrize("fault", ["same", "alike"])
@pytest.mark.parametrize("after_canary", [False, True])
def test_one_vector_for_different_texts_is_69_and_nothing_is_written(
    tmp_path: Path, fault: str, *, after_canary: bool
) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint)
        if after_canary:
            # The breaker's canary is one text, which shows nothing.
            endpoint.fail("unavailable", times=2)
            assert command.reembed("--yes", "--retry-for", "0s").code == 75
            close_breaker(command.db)
            endpoint.heal()
        endpoint.fail(fault, times=FOREVER)
        answer = command.reembed("--resume", "--retarget", "--yes", "--retry-for", "0.1s")

    assert answer.code == 69
    assert "different texts the same vector" in answer.error
    assert with_vector(command) == 0


def test_doctor_finds_an_endpoint_with_one_vector_for_different_texts(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint)
        endpoint.fail("same", times=FOREVER)
        answer = command.run("doctor")

    assert answer.code == 1
    assert "different texts the same vector" in answer.out


@pytest.mark.parametrize("flags", [("--max-tokens", "2000"), ("--max-cost", "2")])
def test_counts_of_tokens_that_cannot_be_keep_no_row_from_being_done(tmp_path: Path, flags: tuple[str, str]) -> None:
    with FakeEndpoint(tokens_a_byte=1e5) as endpoint:
        config = tmp_path / "config.toml"
        config.write_text("[embeddings]\nprice_per_million_tokens = 1000\n", encoding="utf-8")
        command = notes(tmp_path, endpoint)
        answer = command.run("--config", config, "reembed", "--json", "--yes", "--batch", "5", *flags)

    bound = sum(len(text.encode()) + 4 for text in endpoint.seen.texts.elements())
    assert answer.code == 0
    assert answer.json["tokens"] == bound
    assert answer.json["cost"] == pytest.approx(bound / 1000)


def test_verify_of_all_rows_works_with_an_endpoint_that_takes_few_inputs(tmp_path: Path) -> None:
    with FakeEndpoint(max_inputs=20) as endpoint:
        command = notes(tmp_path, endpoint)
        assert command.reembed("--yes").code == 0
        answer = command.run("reembed", "verify", "--sample", "all")

    assert answer.code == 0
    assert f"{ROWS} rows embedded again agree" in answer.out
