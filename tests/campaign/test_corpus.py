"""The corpus test of scripts/corpus-test in its smallest form."""

from __future__ import annotations

from tests.campaign.corpus import part_a, prepared

ROWS = 400


def test_a_corpus_killed_five_times_ends_byte_for_byte_as_if_undisturbed(figures: list[str]) -> None:
    with prepared(ROWS, seed=0) as bench:
        figures.append(f"corpus {part_a(bench)}")
