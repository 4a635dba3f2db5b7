"""Real processes killed with SIGKILL at random and at named moments, while another process edits the database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.campaign import MODELS, Campaign, Figures, editing
from tests.campaign.editor import read_journal, read_texts
from tests.support import files, shapes
from tests.support.fake_endpoint import FakeEndpoint

DATABASES, DATABASES_LONG = 4, 40
KILLS = 13
ROWS = 120
EDITS_PER_SECOND = 12
SHAPES = (0, 52, 101, 80)
"""The files in turn: 0 is one of our own, the others are ai-memory's of that version."""

ORDERS = ((), ("--order", "hot"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        long_form = metafunc.config.getoption("--long")
        metafunc.parametrize("seed", range(DATABASES_LONG if long_form else DATABASES))


@pytest.fixture(scope="module")
def total(figures: list[str]) -> Iterator[Figures]:
    sum_of_all = Figures()
    yield sum_of_all
    figures.append(sum_of_all.line())


def build(path: Path, version: int) -> Path:
    if not version:
        return files.create(path, ROWS)
    plain = [shapes.PLAIN, shapes.LEGACY, shapes.MALFORMED]
    return shapes.build(path, version, rows=ROWS, kinds=plain).path


def test_whatever_is_killed_every_row_ends_right_and_nothing_is_lost(seed: int, tmp_path: Path, total: Figures) -> None:
    chance = random.Random(seed)
    database = build(tmp_path / "m.db", SHAPES[seed % len(SHAPES)])
    files.execute(database, "UPDATE memories SET access_count = rowid * 7 % 11, last_accessed_at = created_at")
    before, journal = read_texts(database), tmp_path / "journal"
    with FakeEndpoint(dim=16, model=MODELS[0], latency=chance.uniform(0.005, 0.03)) as endpoint:
        campaign = Campaign(database, endpoint, chance, order=ORDERS[seed // 2 % 2])
        with editing(database, journal, seed=seed, per_second=EDITS_PER_SECOND):
            while campaign.figures.kills.total() < KILLS:
                campaign.kill_one()
        ended = campaign.finish()

    assert ended.code == 0, ended
    campaign.judge(before, read_journal(journal))
    total.add(campaign.figures)
