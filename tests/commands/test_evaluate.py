"""`evaluate`: nDCG and MRR of the file as it stands, against figures computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, Ran
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

MEMORIES = {"a": "green tea", "b": "green tea leaves from the hills", "c": "black coffee"}


@pytest.fixture
def filled(cli: Cli, tmp_path: Path) -> None:
    """By words "green tea" finds a, then b; "coffee" finds c."""
    lines = [json.dumps({"id": name, "title": f"about {name}", "content": text}) for name, text in MEMORIES.items()]
    (tmp_path / "memories.jsonl").write_text("\n".join(lines))
    assert cli("import", tmp_path / "memories.jsonl", "--no-embed").code == 0


def evaluate(cli: Cli, folder: Path, queries: str, judgements: str, *options: str) -> Ran:
    (folder / "queries").write_text(queries)
    (folder / "judgements").write_text(judgements)
    return cli("evaluate", "--queries", folder / "queries", "--judgements", folder / "judgements", *options)


@pytest.mark.usefixtures("filled", "quiet_embedder")
def test_the_figures_are_the_means_over_the_queries_that_have_a_judgement(cli: Cli, tmp_path: Path) -> None:
    queries = '{"query": 7, "text": "green tea"}\n{"query": 8, "text": "coffee"}\n{"query": 9, "text": "nothing"}\n'
    ran = evaluate(cli, tmp_path, queries, "7\ta\t1\n7\tb\t2\n8\tc\t3\n", "--json")
    # 7: (1 + 3 / log2(3)) / (3 + 1 / log2(3)) = 0.79671; 8: 1
    assert ran.json == {
        "ndcg_at_10": 0.8984,
        "mrr_at_10": 1.0,
        "queries": 2,
        "without_judgement": 1,
        "memories_missing": 0,
        "by": {"words": 2},
    }


@pytest.mark.usefixtures("filled", "quiet_embedder")
def test_a_text_is_known_by_its_line_and_what_the_file_lacks_is_told(cli: Cli, tmp_path: Path) -> None:
    ran = evaluate(cli, tmp_path, "green tea\n", "1\tb\t1\n1\tgone\t1\n")
    assert ran.code == 0
    # (1 / log2(3)) / (1 + 1 / log2(3)) = 0.38685
    assert ran.out.splitlines() == ["nDCG@10  0.3869", "MRR@10   0.5000", "queries  1: 1 by words"]
    assert "Judged and not in the database: 1 memory." in ran.err


@pytest.mark.usefixtures("filled")
def test_what_was_searched_by_words_alone_is_told(cli: Cli, tmp_path: Path, endpoint: FakeEndpoint) -> None:
    endpoint.fail("unauthorized", times=FOREVER)
    ran = evaluate(cli, tmp_path, "green tea\ncoffee\n", "1\ta\t1\n2\tc\t1\n", "--json")
    assert (ran.json["by"], ran.err.count("warning")) == ({"words": 2}, 1)


@pytest.mark.parametrize(
    ("queries", "judgements", "said"),
    [
        ("tea\n", "1\ta\n", "judgements, line 1 does not have three columns."),
        ("tea\n", "1\ta\t1\n\n", "judgements, line 2 does not have three columns."),
        ("tea\n", "1\ta\tmuch\n", "judgements, line 1 has a gain that is not a whole number from 0 to 100."),
        ("tea\n", "1\ta\t101\n", "judgements, line 1 has a gain that is not a whole number from 0 to 100."),
        ("tea\n", "1\ta\t1\n1\ta\t2\n", "judgements, line 2 judges the memory a for the query 1 again."),
        ("tea\n", "2\ta\t1\n", "No query of "),
        ("tea\n", "1\ta\t0\n", "No query of "),
        ("tea\n{\n", "1\ta\t1\n", "queries, line 2 is not a JSON object"),
        ('tea\n{"query": "x", "id": "1"}\n', "1\ta\t1\n", "has two queries of the id 1."),
        ("", "1\ta\t1\n", "No query of "),
    ],
)
@pytest.mark.usefixtures("filled", "quiet_embedder")
def test_a_file_that_cannot_be_measured_by_is_refused(
    cli: Cli, tmp_path: Path, queries: str, judgements: str, said: str
) -> None:
    ran = evaluate(cli, tmp_path, queries, judgements)
    assert (ran.code, ran.out, ran.err.count("\n")) == (65, "", 1)
    assert said in ran.err


@pytest.mark.usefixtures("filled")
def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    ran = cli("evaluate", "--queries", "nowhere", "--judgements", "nowhere")
    assert (ran.code, "There is no file nowhere." in ran.err) == (66, True)
    assert cli("evaluate", "--queries", "-", "--judgements", "-").code == 64
