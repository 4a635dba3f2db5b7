"""What is said at the end, to programs and to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ai_memory.stores.computing import Computing
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

KEYS = {
    "run_id", "state", "exit_code", "reason", "total", "reembedded", "skipped", "already_current", "attested", "raced",
    "quarantined", "remaining", "census_at", "passes", "resumed", "texts_sent", "texts_sent_twice", "requests",
    "retries", "model", "dim", "space", "duration_ms", "asked_again", "disagreed", "differ_at_most", "computing",
}  # fmt: skip


def test_every_ending_has_the_keys_of_the_contract(work: Work) -> None:
    endings = [work.run(batch=2, max_rows=2), work.run(resume=True), work.run()]

    assert [each.reason for each in endings] == ["max-rows", "complete", "nothing stale"]
    assert all(each.values().keys() >= KEYS for each in endings)


def test_an_ending_without_census_claims_none_and_counts_what_is_left(work: Work) -> None:
    ended = work.run(batch=2, max_rows=4)

    assert (ended.census_at, ended.remaining, ended.total) == (None, 6, 10)


def test_skipped_rows_are_those_in_quarantine_that_were_met(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-001", "POISON")
    first = work.run()
    files.add(work.path, "new")

    second = work.run()

    assert (first.skipped, first.quarantined, first.exit_code) == (1, 1, 10)
    assert (second.skipped, second.quarantined, second.reembedded) == (1, 1, 1)


def test_rows_that_were_fresh_are_said_to_be_current(work: Work) -> None:
    work.run()

    again = work.run()

    assert again.already_current == 10
    assert again.lines()[0].startswith("Nothing to do: 0 rows re-embedded, 10 were fresh, 0 remain")


def test_rows_that_this_run_wrote_are_not_said_to_have_been_current(work: Work) -> None:
    left = [1]

    def edit_once(texts: Sequence[str]) -> None:
        last = files.texts(work.path)["id-009"]
        if last in texts and left:
            left.pop()
            files.edit(work.path, "id-000", "edited")

    work.embedder = HashEmbedder(before=edit_once)
    ended = work.run(batch=2)

    assert not left
    assert (ended.exit_code, ended.passes, ended.reembedded, ended.already_current) == (0, 2, 11, 0)


def test_of_a_model_on_this_machine_people_read_what_computed_it_and_how_fast(work: Work) -> None:
    ended = work.run()
    local = replace(ended, computing=Computing("torch 2.9", 2, 9_800, 200, 2.0))

    assert ended.values()["computing"] is None
    assert local.values()["computing"] == {
        "engine": "torch 2.9",
        "threads": 2,
        "tokens_per_second": 4_900,
        "padding": 0.02,
    }
    line = "Computed by torch 2.9 on 2 threads: 4,900 tokens/s; 2.0 % of what it computes is padding."
    assert (line in local.lines(), line in ended.lines()) == (True, False)


def test_people_read_what_happened_and_what_is_left(work: Work) -> None:
    ended = replace(work.run(batch=4, max_rows=4), raced=2, unaddressable=1, duration_ms=1500)

    text = ended.lines()

    assert text[0] == ("Run 1 is unfinished (max-rows): 4 rows re-embedded, 0 were fresh, 6 remain, 0 in quarantine.")
    assert text[1].startswith("Target: hash, 16 wide, space fake/hash#none. ")
    assert text[2:] == [
        "Of 4 rows 3 were asked again one by one and agree, so far.",
        "2 rows were edited while they were embedded, and were embedded again.",
        "1 row has no id and was not touched.",
    ]
