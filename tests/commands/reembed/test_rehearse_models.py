"""`reembed rehearse` with real models on abstracts of the Cranfield collection, whose right answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.conftest import ROOT

QUERIES = 4
DIM = 8
"""Numbers to which the old vectors are cut: a model that gives so few is a poor one."""


@pytest.fixture(scope="module")
def cranfield(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first queries of the collection, their judgements, and the documents that were judged."""
    folder = ROOT.parent / "shared" / "data" / "cranfield"
    if not (folder / "documents.jsonl").is_file():
        pytest.skip("the Cranfield collection is not here")
    few = tmp_path_factory.mktemp("cranfield")
    queries = (folder / "queries.jsonl").read_text("utf-8").splitlines()[:QUERIES]
    wanted = {str(json.loads(each)["query"]) for each in queries}
    judged = [each for each in (folder / "judgements.tsv").read_text().splitlines() if each.split("\t")[0] in wanted]
    names = {each.split("\t")[1] for each in judged}
    documents = (folder / "documents.jsonl").read_text("utf-8").splitlines()
    for name, lines in (
        ("queries.jsonl", queries),
        ("judgements.tsv", judged),
        ("documents.jsonl", [each for each in documents if json.loads(each)["id"] in names]),
    ):
        (few / name).write_text("\n".join(lines), "utf-8")
    return few


@pytest.fixture
def configured(cli: Cli, tmp_path: Path, cranfield: Path, minilm_folder: Path) -> Path:
    """Fill the database with short vectors, and return a configuration that names the whole model."""
    model = f'model_path = "{minilm_folder}"\n'
    (tmp_path / "old.toml").write_text(f"[embeddings]\n{model}dim = {DIM}\n")
    filled = cli("--config", tmp_path / "old.toml", "import", cranfield / "documents.jsonl", "--json")
    assert filled.code == 0
    new = tmp_path / "new.toml"
    new.write_text(f"[embeddings]\n{model}[embeddings.previous]\n{model}dim = {DIM}\n")
    return new


def test_a_real_model_is_seen_to_be_better_than_a_poor_one(
    cli: Cli, db: Path, cranfield: Path, configured: Path
) -> None:
    before = db.read_bytes()
    files = ("--queries", cranfield / "queries.jsonl", "--judgements", cranfield / "judgements.tsv", "--json")
    old = cli("--config", configured.with_name("old.toml"), "evaluate", *files).json

    judged = cli("--config", configured, "reembed", "rehearse", *files).json
    titled = cli("--config", configured, "reembed", "rehearse", "--sample", 20, "--json").json

    rows = len((cranfield / "documents.jsonl").read_text("utf-8").splitlines())
    assert (judged["sampled_rows"], judged["searchable_now"], judged["queries"]) == (rows, rows, QUERIES)
    assert judged["now"]["ndcg_at_10"] < judged["target"]["ndcg_at_10"]
    assert (titled["sampled_rows"], titled["titles"]) == (20, 20)
    assert titled["now"]["mrr_at_10"] < 0.6 < titled["target"]["mrr_at_10"]
    assert judged["truncated_rows"] > 0 < judged["lost_percent"]
    assert db.read_bytes() == before

    # With all rows in the sample it tells what `evaluate` finds before the migration and after it.
    assert cli("--config", configured, "reembed").code == 0
    new = cli("--config", configured, "evaluate", *files).json
    for told, found in ((judged["now"], old), (judged["target"], new)):
        assert told == {name: found[name] for name in ("ndcg_at_10", "mrr_at_10")}
