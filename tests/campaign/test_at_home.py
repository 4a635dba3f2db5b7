"""The whole life of a migration on databases of the Rust program, see `at_home`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.campaign.at_home import Life, real_cases, shape_cases, table
from tests.conftest import ROOT
from tests.support import files, shapes


def test_a_real_file_with_encrypted_rows_outlives_every_step_and_gets_back_every_byte(
    upstream_data: Path, tmp_path: Path, figures: list[str]
) -> None:
    line = Life(real_cases(upstream_data, tmp_path)[-1]).live_through()

    figures.append(table([line]).splitlines()[-1])
    assert line.faults == []
    assert (line.live, line.done, line.changed, line.code) == (27, 27, 0, 0)


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_a_shape_outlives_every_step_and_gets_back_every_byte(tmp_path: Path, long_form: bool, version: int) -> None:
    if version != max(shapes.VERSIONS) and not long_form:
        pytest.skip("the newest shape stands for all but in the long form")

    line = Life(shape_cases(tmp_path, [version])[0]).live_through()

    assert line.faults == []
    assert (line.live, line.done, line.changed, line.code) == (22, 17, 0, 10)


def test_a_row_that_is_not_as_it_was_is_found(tmp_path: Path) -> None:
    life = Life(shape_cases(tmp_path, [101])[0])
    files.execute(life.case.path, "UPDATE memories SET access_count = 1 WHERE title = 'Note 1'")

    life._vectors_of("nothing", None)

    assert life.faults == ["nothing changed other columns"]


def test_the_page_for_who_comes_from_the_rust_program_shows_the_table_of_all_cases(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "from-rust.md").read_text("utf-8")
    shown = [line.split(" | ") for line in page.splitlines() if line.startswith(("| v0.", "| schema "))]

    for case in shape_cases(tmp_path):
        (line,) = (each for each in shown if each[0] == f"| {case.name}")
        left = ", ".join(f"{count} {why}" for why, count in sorted(Counter(case.why.values()).items()))
        assert line[1:] == [f"{len(case.texts) + case.quarantined}", f"{len(case.texts)}", left, "0", f"{case.code} |"]
    assert [each[0] for each in shown[:4]] == [
        "| v0.7.0",
        "| v0.7.0-upgraded-by-0.10.0",
        "| v0.10.0",
        "| v0.10.0, with keys",
    ]
