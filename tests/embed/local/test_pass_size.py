"""How many tokens a forward pass should have: measured, kept for the next process, believed only where it can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_memory.embed.local.kept_size import CachedSize
from ai_memory.embed.local.pass_size import CPU_SIZES, ENOUGH, GAIN, IN_VAIN, NotKept, PassSize
from ai_memory.system.process_env import cache_home

LEAST, MOST = CPU_SIZES


class Kept:
    """Keeps a size in memory."""

    def __init__(self, known: int | None = None) -> None:
        self.known = known

    def read(self) -> int | None:
        return self.known

    def keep(self, tokens: int) -> None:
        self.known = tokens


def measured(rate: Callable[[int], float], kept: Kept, *, passes: int = 1_000, share: float = 1.0) -> PassSize:
    """Return what was found once so many passes computed `rate(size)` tokens a second, each filled to its `share`."""
    size = PassSize("cpu", kept)
    for _ in range(passes):
        most = size.next()
        size.timed(int(share * most), int(share * most) / rate(most))
    return size


@pytest.mark.parametrize("best", [LEAST, 2 * LEAST, 8 * LEAST, MOST])
def test_the_fastest_size_is_found_and_kept(best: int) -> None:
    kept = Kept()
    size = measured(lambda tokens: 1_000 * min(tokens, best) - max(tokens - best, 0), kept)

    assert size.best == size.next() == size.next() == kept.known == best


def test_a_larger_size_that_gains_too_little_is_not_taken() -> None:
    kept = Kept()

    assert measured(lambda tokens: 1_000 * (GAIN - 0.01) ** (tokens > LEAST), kept).best == kept.known == LEAST


def test_sizes_take_turns_so_that_a_machine_that_slows_down_disturbs_both_alike() -> None:
    kept = Kept()
    slower = iter(range(20, 10_000))
    size = measured(lambda tokens: min(tokens, 2 * LEAST) / next(slower), kept)

    assert size.best == kept.known == 2 * LEAST


def test_one_pass_that_was_held_up_changes_nothing() -> None:
    kept = Kept()
    held_up = iter([0.01, *[1.0] * 10_000])
    size = measured(lambda tokens: min(tokens, 2 * LEAST) * next(held_up), kept)

    assert size.best == kept.known == 2 * LEAST


def test_what_is_known_is_not_measured_again() -> None:
    kept = Kept(4 * LEAST)
    size = measured(float, kept)

    assert size.best == kept.known == 4 * LEAST


@pytest.mark.parametrize("known", [0, -1, LEAST - 1, MOST + 1])
def test_what_cannot_be_is_not_believed(known: int) -> None:
    assert PassSize("cpu", Kept(known)).best == LEAST


def test_passes_that_are_not_full_say_nothing_and_the_search_has_an_end() -> None:
    kept = Kept()
    size = measured(float, kept, passes=IN_VAIN, share=0.5)

    assert [size.next(), size.next()] == [LEAST, LEAST]
    assert kept.known is None


def test_a_larger_size_that_cannot_be_computed_is_not_tried_again() -> None:
    kept = Kept()
    size = PassSize("cuda", kept)
    least = size.best
    for _ in range(4 * ENOUGH):
        if (most := size.next()) > least:
            size.failed()
        else:
            size.timed(most, 1.0)

    assert [size.next(), size.next()] == [least, least]
    assert kept.known is None


def place(cached: CachedSize) -> Path:
    home = cache_home()
    assert home
    [found] = (home / "ai-memory" / "passes").iterdir()
    assert json.loads(found.read_text("utf-8"))["engine"] == cached.engine
    return found


@pytest.fixture
def cached(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CachedSize:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return CachedSize(tiny_model, "torch 2.9", 2, "cpu")


def test_the_next_process_knows_what_was_found_of_the_same_model_engine_and_threads(cached: CachedSize) -> None:
    assert cached.read() is None
    cached.keep(512)

    assert CachedSize(cached.folder, "torch 2.9", 2, "cpu").read() == 512
    assert CachedSize(cached.folder, "torch 2.9", 4, "cpu").read() is None
    assert CachedSize(cached.folder, "torch 2.10", 2, "cpu").read() is None
    assert CachedSize(cached.folder, "torch 2.9", 2, "cuda").read() is None
    assert place(cached).stat().st_size < 1_000


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"tokens": "512"}', '{"tokens": true}', "[" * 100_000, "\0"])
def test_what_cannot_be_read_is_not_known(cached: CachedSize, content: str) -> None:
    cached.keep(512)
    place(cached).write_text(content, encoding="utf-8")

    assert cached.read() is None


def test_where_nothing_can_be_kept_it_is_measured_again(
    cached: CachedSize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    cached.keep(512)
    assert cached.read() is None

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    cached.keep(512)
    assert cached.read() is None
    NotKept().keep(512)
    assert NotKept().read() is None
