"""NaN and infinity behind the head of a stored vector: every command that reads, copies or compares it finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ai_memory.vectors.blob import is_sound
from tests.commands.conftest import Cli
from tests.support import files
from tests.support.fake_endpoint import FakeEndpoint

DIM = 16
BROKEN = "UPDATE memories SET embedding = CAST(substr(embedding, 1, 17) || ? AS BLOB) WHERE id = 'id-000'"
WITNESS = "UPDATE embedding_fingerprint SET witness = ? WHERE witness IS NOT NULL"


@pytest.fixture(params=["nan", "inf", "-inf"])
def broken(request: pytest.FixtureRequest, db: Path, cli: Cli, endpoint: FakeEndpoint) -> Path:
    """A database that was re-embedded, and one vector of it then broken behind its first four components."""
    assert endpoint.behaviour.dim == DIM
    files.create(db, 4)
    assert cli("reembed", "--yes", "-q").code == 0
    files.execute(db, BROKEN, np.full(DIM - 4, request.param, dtype="<f4").tobytes())
    return db


def sound(path: Path) -> list[bool]:
    return [blob is not None and is_sound(blob, DIM) for blob in files.vectors(path).values()]


@pytest.mark.usefixtures("broken")
def test_verify_finds_it_with_and_without_a_sample(cli: Cli) -> None:
    census, sample = cli("--json", "reembed", "verify"), cli("--json", "reembed", "verify", "--sample", "all")

    assert (census.code, census.json["stale"]) == (1, 1)
    assert (sample.code, sample.json["differing"], sample.json["lowest_cosine"]) == (1, ["id-000"], -1)
    assert (census.err, sample.err) == ("", "")


@pytest.mark.usefixtures("broken")
def test_recall_leaves_it_out_and_doctor_names_it(cli: Cli) -> None:
    recalled, examined = cli("--json", "recall", "the content of id-000"), cli("doctor")

    assert recalled.code == 0
    assert recalled.json["left_out"] == {"malformed": 1}
    assert [hit["id"] for hit in recalled.json["memories"] if hit["cosine"] is None] == ["id-000"]
    assert "Warning" not in recalled.err + examined.err
    assert examined.code == 1
    assert "the vector of id-000 holds NaN or infinity" in examined.out


def test_a_row_of_the_same_text_never_gets_it_and_the_next_run_mends_it(broken: Path, cli: Cli) -> None:
    files.add(broken, "twin", "b", title="title id-000", content="the content of id-000")

    assert cli("reembed", "--yes", "-q").code == 0

    assert sound(broken) == [True] * 5
    assert cli("reembed", "verify", "--sample", "all").code == 0


def test_nobody_can_stamp_it(broken: Path, cli: Cli) -> None:
    files.execute(broken, "DELETE FROM embedding_provenance")

    planned = cli("--json", "reembed", "--stamp-only", "--dry-run")
    stamped = cli("--json", "reembed", "--stamp-only")

    assert (stamped.code, stamped.json["stamped"], stamped.json["unstamped"]) == (0, 3, 1)
    assert planned.json["stamped"] == 3
    assert cli("reembed", "verify").code == 1


def test_a_run_that_skips_the_current_space_embeds_it(broken: Path, cli: Cli) -> None:
    files.execute(broken, "DELETE FROM embedding_provenance")

    ran = cli("--json", "reembed", "--yes", "--skip-current-space")

    assert (ran.code, ran.json["attested"], ran.json["reembedded"]) == (0, 3, 1)
    assert sound(broken) == [True] * 4


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_witness_that_cannot_be_compared_lets_no_other_weights_pass(
    db: Path, cli: Cli, endpoint: FakeEndpoint, value: float
) -> None:
    files.create(db, 4)
    assert cli("reembed", "--yes", "-q").code == 0
    files.execute(db, WITNESS, np.full(3 * DIM, value, dtype="<f4").tobytes())
    files.edit(db, "id-001", "edited")
    endpoint.change(weights="retrained")

    refused = cli("reembed", "--yes", "-q")

    assert refused.code == 65
    assert "column witness of target" in refused.err
    assert "Warning" not in refused.err


@pytest.mark.parametrize("declared", ["'wide'", "CAST(x'ff' AS TEXT)", "x'00'", "1.5", "-7"])
@pytest.mark.usefixtures("endpoint")
def test_a_width_that_is_not_a_number_is_told_of_its_row_and_stops_nothing(db: Path, cli: Cli, declared: str) -> None:
    files.create(db, 4)
    assert cli("reembed", "--yes", "-q").code == 0
    files.execute(db, f"UPDATE memories SET embedding_dim = {declared} WHERE id = 'id-000'")

    recalled, examined = cli("--json", "recall", "content"), cli("doctor")

    assert (recalled.code, recalled.json["left_out"]) == (0, {"malformed": 1})
    assert "the vector of id-000 is 16 wide and declares a width that is not one" in examined.out
    assert cli("stats").code == 0
    assert cli("reembed", "verify").code == 1
