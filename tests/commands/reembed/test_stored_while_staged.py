"""What is stored while vectors stand beside the memories is found by its meaning before and after the switch.

By real processes against a real server on loopback, which serves the old and the new model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ai_memory.commands.choose_writers import Writer
from ai_memory.commands.embedder_choice import Wanted
from ai_memory.config.settings import Settings
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.target import Fingerprint
from tests.support import files
from tests.support.command import Answer, Command, plain, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

LATE = "late"
READY, UNFINISHED = (), ("--max-rows", "2", "--batch", "1")
OLD, NEW, THIRD = "old#none", "new#none", "third#none"
HAS = """
    SELECT m.embedding_space, f.space, k.embedding_space
    FROM memories AS m LEFT JOIN embedding_staged AS s ON s.memory_id = m.id
        LEFT JOIN embedding_fingerprint AS f ON f.id = s.target
        LEFT JOIN embedding_previous AS k ON k.memory_id = m.id AND k.written_head IS NOT NULL
    WHERE m.title = ?
"""
SAY = """
    UPDATE embedding_settings SET settings_json = ?
    WHERE target IN (SELECT id FROM embedding_fingerprint WHERE space = ?)
"""

SAID = """
    SELECT settings_json FROM embedding_settings
    WHERE target IN (SELECT id FROM embedding_fingerprint WHERE space = ?)
"""


@dataclass(frozen=True, slots=True)
class Two:
    """The command with the old model configured, with the new one, and with one that has nothing to do with either."""

    old: Command
    new: Command
    third: Command
    server: FakeEndpoint

    def has(self, title: str) -> tuple[str | None, ...]:
        """Return of which spaces a memory has vectors: itself, beside it, and kept of it for the way back."""
        (found,) = files.execute(self.new.db, HAS, title)
        return found

    def staged(self, *flags: str) -> None:
        assert self.new.run("reembed", "--yes", "--staged", *flags).code == (75 if flags else 0)

    def switch(self, *flags: str) -> None:
        if self.new.run("--json", "reembed", "status").json["state"] == "running":
            assert self.new.run("reembed", "--resume").code == 0
        ran = self.new.run("reembed", "switch", *flags)
        assert ran.code == 0, ran


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with FakeEndpoint(dim=16, model="new", also={"old": 8, "third": 12}) as server:
        command = Command(tmp_path / "m.db", remote(server))
        old, third = (replace(command, env={**command.env, "AI_MEMORY_EMBED_MODEL": each}) for each in ("old", "third"))
        for each in range(4):
            assert old.run("store", "-T", f"text{each}", "-c", f"about text{each}").code == 0
        yield Two(old, command, third, server)
        command.end()


def store(command: Command, title: str = LATE) -> Answer:
    return command.run("store", "-T", title, "-c", f"about {title}")


def import_(command: Command, title: str = LATE) -> Answer:
    line = json.dumps({"title": title, "content": f"about {title}", "namespace": "global"})
    return command.run("import", "-", stdin=line)


PUT_BACK = "put new back into [embeddings], then:"
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
def test_whichever_model_is_configured_it_has_both_vectors_and_after_the_switch_a_way_back(two: Two, way: str) -> None:
    each_way, commands = WAYS[way], {"old": two.old, "new": two.new, "third": two.third}
    two.staged()
    for name, command in commands.items():
        assert each_way(command, f"ready {name}").code == 0
        assert two.has(f"ready {name}") == (OLD, NEW, None)

    two.switch("--no-wait")
    for name, command in commands.items():
        assert each_way(command, f"switched {name}").code == 0
        assert two.has(f"switched {name}") == (NEW, None, OLD)
    assert two.new.run("reembed", "switch", "--back", "--no-wait").code == 0
    for name, command in commands.items():
        assert each_way(command, f"back {name}").code == 0
        assert two.has(f"back {name}") == (OLD, None, None)

    assert two.old.run("reembed", "--resume").code == 0
    for when in ("ready", "switched", "back"):
        assert {two.has(f"{when} {name}") for name in commands} == {(OLD, None, None)}
    assert two.old.run("reembed", "verify").code == 0


@pytest.mark.parametrize("way", WAYS)
def test_what_is_stored_while_vectors_are_moved_is_whole_at_the_end_and_after_the_way_back(two: Two, way: str) -> None:
    two.staged()
    assert two.new.run("reembed", "switch", "--max-rows", "2").code == 75

    assert WAYS[way](two.new).code == 0

    assert (cosine(two.new), two.has(LATE)) == (1, (NEW, None, OLD))
    assert two.new.run("reembed", "--resume").code == 0
    assert (two.has(LATE), two.new.run("reembed", "verify").code) == ((NEW, None, OLD), 0)
    assert two.new.run("reembed", "switch", "--back").code == 0
    assert (cosine(two.old), two.old.run("reembed", "verify").code) == (1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_where_one_of_the_two_does_not_answer_it_is_stored_and_told_what_is_missing(two: Two, way: str) -> None:
    without = {"store": "stored without a vector of", "import": "stored without vectors of"}[way]
    two.staged()
    two.server.change(model="gone")
    told = plain(WAYS[way](two.old).err)
    assert (f"{without} {NEW}: " in told, f"later: {PUT_BACK} ai-memory reembed switch" in told) == (True, True), told
    assert two.has(LATE) == (OLD, None, None)
    two.server.change(model="new")
    two.switch("--no-wait")
    assert two.has(LATE) == (OLD, NEW, None)

    two.server.change(also={})
    told = plain(WAYS[way](two.new, "new alone").err)
    assert f"{without.capitalize()} {OLD}, which only the way back needs: " in told, told
    assert ("After a switch back: ai-memory backfill" in told, two.has("new alone")) == (True, (NEW, None, None))
    assert two.new.run("reembed", "switch", "--back").code == 0
    assert two.has("new alone") == (None, None, None)
    two.server.change(also={"old": 8})
    assert (two.old.run("backfill").code, two.has("new alone")) == (0, (OLD, None, None))


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        ("unfinished", ["reembed --resume"]),
        ("ready", ["reembed switch"]),
        ("switched", ["reembed --resume", "reembed"]),
    ],
)
def test_who_searches_with_the_old_model_is_told_that_the_new_one_is_to_be_put_back_first(
    two: Two, state: str, commands: list[str]
) -> None:
    two.staged(*(UNFINISHED if state == "unfinished" else READY))
    if state == "switched":
        two.switch("--no-wait")
    assert two.old.run("store", "--no-embed", "-T", "bare", "-c", "about bare").code == 0
    two.server.change(model="gone")
    steps = "; then: ".join(f"ai-memory {each}" for each in commands)

    told, found = plain(store(two.old).err), plain(two.old.run("doctor").out)

    assert f"later: {PUT_BACK} {steps}" in told, told
    assert found.count(f"{PUT_BACK} {steps}") == (3 if state == "switched" else 2), found
    two.server.change(model="new")
    if state == "switched":
        ended = plain(two.old.run("reembed", "--resume").err)
        assert f"2 rows have no vector of {NEW} of the present text: edited or added since the run was ready." in ended
        assert "With new in [embeddings], embed them: ai-memory reembed" in ended
    for each in commands:
        two.new.run(*each.split(), *(["--yes"] if each == "reembed" else []))
    assert cosine(two.new) == 1


@pytest.mark.parametrize("way", WAYS)
def test_what_only_the_file_says_of_the_new_model_is_believed_no_more_than_of_the_old_one(two: Two, way: str) -> None:
    two.staged()
    elsewhere = '{"backend": "openai-compatible", "base_url": "https://192.0.2.1/v1", "model": "new", "dim": 16}'
    files.execute(two.new.db, SAY, elsewhere, NEW)

    ran = WAYS[way](two.old)

    assert (ran.code, two.has(LATE)) == (0, (OLD, None, None))
    assert f"without a vector of {NEW}: 192.0.2.1 is named by the database alone" in plain(ran.err), ran
    assert 'previous = { backend = "openai-compatible", base_url = "https://192.0.2.1/v1"' in ran.err


def test_what_gives_vectors_of_another_space_than_the_file_says_gives_none(two: Two) -> None:
    two.staged()
    ((kept,),) = files.execute(two.new.db, SAID, OLD)
    files.execute(two.new.db, SAY, kept.replace('"old"', '"third"'), OLD)

    told = plain(store(two.new).err)

    assert (two.has(LATE), f"stored without a vector of {OLD}: what gave them gives vectors of {THIRD}" in told) == (
        (None, NEW, None),
        True,
    ), told


def test_vectors_of_the_same_space_by_another_target_are_not_what_is_wanted(tmp_path: Path) -> None:
    ours, another = (Fingerprint(each, b"", "", NEW, 16, None) for each in (1, 2))
    configured = Settings.gather(argparse.Namespace(), {"XDG_CONFIG_HOME": str(tmp_path)}).embedding
    writer = Writer(configured, Wanted(NEW, 16, target=1))

    writer.require(ours)
    with pytest.raises(EmbedderInitFailed, match=f"what gave vectors of {NEW} gives others now"):
        writer.require(another)


def test_what_another_model_gives_under_the_name_of_the_new_one_is_not_kept_as_its_own(two: Two) -> None:
    two.staged()
    two.server.change(weights="others")

    told = plain(store(two.old).err)

    assert (two.has(LATE), f"stored without a vector of {NEW}: " in told) == ((OLD, None, None), True), told


def test_outside_of_the_namespaces_of_a_run_a_memory_gets_the_vector_that_is_served(two: Two) -> None:
    two.staged("--namespace", "global", *UNFINISHED)

    for name, command in {"old": two.old, "new": two.new}.items():
        assert command.run("store", "-T", name, "-c", "about it", "-n", "elsewhere").code == 0
        assert store(command, f"inside {name}").code == 0

    assert [two.has(each) for each in ("old", "new")] == [(OLD, None, None)] * 2
    assert [two.has(f"inside {each}") for each in ("old", "new")] == [(OLD, NEW, None)] * 2


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
