"""What is stored while vectors stand beside the memories is found by its meaning before and after the switch.

By real processes against a real server on loopback, which serves the old and the new model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.command import Answer, Command, plain, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

LATE = "late"
READY, UNFINISHED = (), ("--max-rows", "2", "--batch", "1")


@dataclass(frozen=True, slots=True)
class Two:
    """The command with the old model configured, and with the new one; `server` serves both."""

    old: Command
    new: Command
    server: FakeEndpoint

    def staged(self, *flags: str) -> None:
        assert self.new.run("reembed", "--yes", "--staged", *flags).code == (75 if flags else 0)

    def switch(self, *flags: str) -> None:
        if self.new.run("--json", "reembed", "status").json["state"] == "running":
            assert self.new.run("reembed", "--resume").code == 0
        ran = self.new.run("reembed", "switch", *flags)
        assert ran.code == 0, ran


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with FakeEndpoint(dim=16, model="new", also={"old": 8}) as server:
        command = Command(tmp_path / "m.db", remote(server))
        old = replace(command, env={**command.env, "AI_MEMORY_EMBED_MODEL": "old"})
        for each in range(4):
            assert old.run("store", "-T", f"text{each}", "-c", f"about text{each}").code == 0
        yield Two(old, command, server)
        command.end()


def store(command: Command) -> Answer:
    return command.run("store", "-T", LATE, "-c", f"about {LATE}")


def import_(command: Command) -> Answer:
    line = json.dumps({"title": LATE, "content": f"about {LATE}", "namespace": "global"})
    return command.run("import", "-", stdin=line)


WAYS = {"store": store, "import": import_}


def cosine(command: Command) -> float | None:
    """Return how near the memory is to a query of its own text; fails where it is not found."""
    ran = command.run("--json", "recall", f"{LATE} about {LATE}")
    (found,) = [each["cosine"] for each in ran.json["memories"] if each["title"] == LATE]
    return None if found is None else round(found, 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", [READY, UNFINISHED], ids=["ready", "unfinished"])
@pytest.mark.parametrize("model", ["old", "new"])
def test_whichever_model_is_configured_it_is_found_by_its_meaning_at_every_time(
    two: Two, way: str, state: tuple[str, ...], model: str
) -> None:
    two.staged(*state)

    ran = WAYS[way](two.new if model == "new" else two.old)

    assert (ran.code, "without a vector" in ran.out.replace(" 0 without a vector", "")) == (0, False), ran
    assert (cosine(two.old), cosine(two.new)) == (1, 1)
    two.switch("--no-wait")
    assert cosine(two.new) == 1
    assert two.new.run("reembed", "--resume").code == 0
    assert (cosine(two.new), two.new.run("reembed", "verify").code) == (1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_what_the_old_model_stores_after_the_switch_is_found_by_the_new_one(two: Two, way: str) -> None:
    two.staged()
    two.switch("--no-wait")

    assert WAYS[way](two.old).code == 0

    assert (cosine(two.new), cosine(two.old)) == (1, 1)
    assert two.new.run("reembed", "--resume").code == 0
    assert two.new.run("reembed", "verify").code == 0


@pytest.mark.parametrize("way", WAYS)
def test_where_the_old_model_answers_no_more_words_find_it_until_the_switch(two: Two, way: str) -> None:
    two.staged()
    two.server.change(also={})

    ran = WAYS[way](two.new)

    assert ran.code == 0
    assert "ai-memory reembed switch" in plain(ran.err)
    assert cosine(two.new) is None
    two.switch()
    assert cosine(two.new) == 1
    assert two.new.run("reembed", "verify").code == 0


@pytest.mark.parametrize("way", WAYS)
def test_where_the_new_model_answers_no_more_the_switch_waits_until_it_does(two: Two, way: str) -> None:
    two.staged()
    two.server.fail("no-model", times=FOREVER)
    assert WAYS[way](two.new).code == 0

    refused = two.new.run("reembed", "switch")
    assert (refused.code, "next: ai-memory reembed --resume" in plain(refused.err)) == (3, True), refused
    assert "staged: its vectors go beside" in two.new.run("reembed", "status").out

    two.server.heal()
    two.switch()
    assert (cosine(two.new), two.new.run("reembed", "verify").code) == (1, 0)
