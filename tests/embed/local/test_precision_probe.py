"""When another precision than float32 is worth it: measured on texts, by the four rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from ai_memory.embed.local.kept_probe import KeptProbe
from ai_memory.embed.local.precision_probe import LEAST_ROWS, Probed, probe_precision
from ai_memory.embed.usage import Meter, Usage
from ai_memory.vectors.target import Target, Vectors

GOOD = Probed(rows=300, speed=1.5, overlap=0.995, cosine=0.9999, alone=0.99999)
DIM = 64


@dataclass
class Computed:
    """An embedder whose vectors are drawn by their text and then `altered`, all of one call together."""

    altered: Callable[[Vectors], Vectors] = lambda vectors: vectors
    tokens_per_second: float = 1_000.0
    meter: Meter = field(default_factory=Meter)
    target: Target = field(default=Target("tiny#none", DIM, "local", "tiny"))
    max_batch: int = 1_000
    concurrency: int = 1

    def fitting(self, texts: Sequence[str]) -> int:
        return len(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        tokens = sum(map(len, texts))
        self.meter.add(Usage(computed=tokens, seconds=tokens / self.tokens_per_second))
        seeds = (int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) for text in texts)
        drawn = [np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]
        return self.altered(np.array(drawn, dtype=np.float32))

    def embed_query(self, text: str) -> Vectors:
        row: Vectors = self.embed_documents([text])[0]
        return row

    def close(self) -> None:
        self.meter = Meter()


def in_bfloat16(vectors: Vectors) -> Vectors:
    """Cut the last 16 bits off each number."""
    cut: Vectors = (vectors.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return cut


def in_four_bits(vectors: Vectors) -> Vectors:
    """Leave each number 15 values between the least and the greatest of the whole call."""
    step = np.abs(vectors).max() / 7
    return np.asarray(np.round(vectors / step) * step, dtype=np.float32)


def texts(rows: int) -> list[str]:
    return [f"memory {number}" for number in range(rows)]


def test_numbers_that_are_cut_find_the_same_texts_and_need_only_be_faster() -> None:
    found = probe_precision(Computed(), Computed(in_bfloat16, tokens_per_second=1_500), texts(300))

    assert found.rows == 300
    assert found.alone == pytest.approx(1.0)
    assert found.speed == pytest.approx(1.5)
    assert 0.999 <= found.cosine < 1
    assert 0.99 <= found.overlap < 1
    assert found.fault == ""


def test_coarse_numbers_find_other_texts() -> None:
    found = probe_precision(Computed(), Computed(in_four_bits, tokens_per_second=9_000), texts(300))

    assert found.overlap < 0.9
    assert found.cosine < 0.999
    assert found.alone < 0.9999
    assert "and 0.99 are needed" in found.fault


def test_of_too_few_rows_nothing_is_computed_and_equal_ones_count_once() -> None:
    plain, other = Computed(), Computed(in_bfloat16)
    found = probe_precision(plain, other, texts(LEAST_ROWS - 1) * 3)

    assert found == Probed(LEAST_ROWS - 1)
    assert found.fault == "99 rows are too few to judge it by, 100 are needed"
    assert plain.meter.spent == other.meter.spent == Usage()


@pytest.mark.parametrize(
    ("measured", "fault"),
    [
        (GOOD, ""),
        (replace(GOOD, speed=1.2, overlap=0.99, cosine=0.999, alone=0.999), ""),
        (replace(GOOD, speed=1.19), "it computes 1.19 times what float32 does, and 1.2 times is needed"),
        (replace(GOOD, overlap=0.989), "of the first 10 found 0.989 are the same, and 0.99 are needed"),
        (replace(GOOD, cosine=0.9989), "a vector's cosine with that of float32 is 0.9989, and 0.999 is needed"),
        (replace(GOOD, alone=0.9989), "a text gets another vector in other company: a cosine of 0.9989"),
        (replace(GOOD, overlap=float("nan")), "of the first 10 found nan are the same, and 0.99 are needed"),
    ],
)
def test_each_rule_alone_speaks_against_a_precision(measured: Probed, fault: str) -> None:
    assert measured.fault == fault


def test_what_was_measured_is_kept_for_that_file_and_those_libraries(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    KeptProbe(model, "int8, auto: torch 2.9", "/home/a.db").keep(GOOD)

    assert KeptProbe(model, "int8, auto: torch 2.9", "/home/a.db").read() == GOOD
    assert KeptProbe(model, "int8, auto: torch 2.9", "/home/b.db").read() is None
    assert KeptProbe(model, "int8, auto: torch 3.0", "/home/a.db").read() is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"rows": 300, "speed": "2"}'])
def test_what_is_kept_and_damaged_is_measured_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = KeptProbe(model, "int8", "/home/a.db")
    kept.keep(GOOD)
    (place,) = (tmp_path / "cache" / "ai-memory" / "precision").iterdir()
    place.write_text(damage, encoding="utf-8")

    assert kept.read() is None
