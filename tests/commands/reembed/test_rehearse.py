"""`reembed rehearse` compares search before and after on a sample, tells what all would take, and writes nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, Ran, Use, previous
from tests.support import files
from tests.support.command import Command, kill, remote, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "knoll", "lagoon", "mesa")


@pytest.fixture
def filled(cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use) -> None:
    """Leave twelve memories with vectors of the old model, and the new one configured."""
    use(old)
    for word in WORDS:
        assert cli("store", "-T", word, "-c", f"a note on {word} and others", "--json").json["embedded"]
    use(new, previous(old))
    old.seen.texts.clear()


def rehearse(cli: Cli, *more: object) -> Ran:
    ran = cli("reembed", "rehearse", "--json", *more)
    assert ran.code == 0, ran
    return ran


def ids(db: Path) -> dict[str, str]:
    return dict(files.execute(db, "SELECT title, id FROM memories"))


@pytest.mark.usefixtures("filled")
def test_nothing_is_written_not_even_a_byte(cli: Cli, db: Path) -> None:
    before = (db.read_bytes(), files.everything_else(db), files.execute(db, "PRAGMA journal_mode"))

    rehearse(cli)

    assert db.read_bytes() == before[0]
    assert (files.everything_else(db), files.execute(db, "PRAGMA journal_mode")) == before[1:]


@pytest.mark.usefixtures("filled")
def test_a_model_that_gives_the_same_vectors_finds_the_same(cli: Cli, old: FakeEndpoint, use: Use) -> None:
    use(old)
    found = rehearse(cli).json
    assert (found["overlap_at_10"], found["searchable_now"], found["rows_to_embed"]) == (1.0, 12, 0)
    assert found["now"] == found["target"]
    assert found["notes"] == []


@pytest.mark.usefixtures("filled")
def test_the_old_vectors_are_searched_by_the_old_model(cli: Cli, db: Path, tmp_path: Path, old: FakeEndpoint) -> None:
    """The text of a row is nearest to that row for the model that made its vector, by a cosine of 1."""
    lines = [json.dumps({"id": word, "query": f"{word} a note on {word} and others"}) for word in WORDS]
    (tmp_path / "queries").write_text("\n".join(lines))
    (tmp_path / "judgements").write_text("\n".join(f"{word}\t{ids(db)[word]}\t1" for word in WORDS))
    asked = ("--queries", tmp_path / "queries", "--judgements", tmp_path / "judgements")

    found = rehearse(cli, *asked).json
    assert found["now"] == found["target"] == {"ndcg_at_10": 1.0, "mrr_at_10": 1.0}
    assert (found["searched_by"], found["queries"], found["titles"]) == ("judged queries", 12, 0)
    assert 0 < found["overlap_at_10"] < 1

    # Served by other weights the old vectors are nothing to the queries; the words are still there.
    old.change(weights="other")
    assert rehearse(cli, *asked).json["now"]["ndcg_at_10"] < 1


@pytest.mark.usefixtures("filled")
def test_rows_are_looked_for_by_their_titles_without_their_titles(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint
) -> None:
    found = rehearse(cli).json

    contents = {"a note on   and others"}
    for server in (old, new):
        assert contents | set(WORDS) <= set(server.seen.texts)
    assert {f"{word} a note on {word} and others" for word in WORDS} <= set(new.seen.texts)
    assert not {text for text in old.seen.texts if "note" in text} - contents
    assert (found["searched_by"], found["titles"], found["queries"]) == ("titles", 12, 12)
    # All contents are one without their titles: the rows have one order, whatever is looked for.
    assert found["now"] == found["target"]
    assert found["now"]["mrr_at_10"] == pytest.approx(sum(1 / rank for rank in range(1, 11)) / 12, abs=1e-4)


@pytest.mark.usefixtures("filled")
def test_two_rehearsals_ask_for_the_same_rows(cli: Cli, new: FakeEndpoint) -> None:
    def asked() -> set[str]:
        new.seen.texts.clear()
        assert rehearse(cli, "--sample", 4).json["sampled_rows"] == 4
        return set(new.seen.texts)

    assert asked() == asked()


@pytest.mark.usefixtures("filled")
def test_judged_rows_are_drawn_first_and_what_lies_outside_is_told(cli: Cli, db: Path, tmp_path: Path) -> None:
    (tmp_path / "queries").write_text("amber a note on amber and others\nbirch\n")
    judged = [f"1\t{ids(db)['amber']}\t2", "1\tgone\t1", f"2\t{ids(db)['birch']}\t0", "2\tgone\t1"]
    (tmp_path / "judgements").write_text("\n".join(judged))

    found = rehearse(
        cli, "--sample", 2, "--queries", tmp_path / "queries", "--judgements", tmp_path / "judgements"
    ).json

    assert (found["queries"], found["queries_left_out"], found["judgements_left_out"]) == (1, 1, 2)
    assert found["target"] == {"ndcg_at_10": 1.0, "mrr_at_10": 1.0}


@pytest.mark.usefixtures("filled")
def test_a_query_of_a_namespace_is_searched_there_alone(cli: Cli, db: Path, tmp_path: Path) -> None:
    """Of two rows of one text the one in the namespace is the only one found, and counts wherever it was drawn."""
    for namespace in ("team/one", "team/two"):
        assert cli("store", "-n", namespace, "-T", "ruby", "-c", "in all of them", "--json").json["embedded"]
    wanted, other = (
        row for (row,) in files.execute(db, "SELECT id FROM memories WHERE title = 'ruby' ORDER BY namespace")
    )
    lines = [{"id": name, "query": "ruby in all of them", "namespace": name} for name in ("team/two", "team/*")]
    (tmp_path / "queries").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "judgements").write_text(f"team/two\t{other}\t1\nteam/*\t{wanted}\t1\nteam/*\t{other}\t1\n")

    found = rehearse(cli, "--queries", tmp_path / "queries", "--judgements", tmp_path / "judgements").json

    assert (found["queries"], found["target"]) == (2, {"ndcg_at_10": 1.0, "mrr_at_10": 1.0})


@pytest.mark.usefixtures("filled")
def test_without_the_old_model_the_target_is_measured_and_the_way_is_told(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    old.fail("unauthorized", times=FOREVER)

    found = rehearse(cli).json

    assert (found["now"], found["overlap_at_10"], found["searchable_now"]) == (None, None, 0)
    assert found["target"]["mrr_at_10"] is not None
    assert "Of old#none: " in found["notes"][0]
    use(new)
    assert "[embeddings]" in rehearse(cli).json["notes"][0]


@pytest.mark.usefixtures("filled")
def test_an_old_model_that_fails_now_and_then_takes_its_queries_out_of_the_comparison(
    cli: Cli, old: FakeEndpoint
) -> None:
    old.fail("none", times=5)
    old.fail("unauthorized", times=FOREVER)

    found = rehearse(cli).json

    assert (found["queries"], found["now"]) == (5, None)
    assert found["overlap_at_10"] is not None
    assert "Of old#none: " in found["notes"][0]


def test_without_vectors_there_is_nothing_to_compare_with(cli: Cli, new: FakeEndpoint, use: Use) -> None:
    use(new)
    for word in WORDS:
        assert cli("store", "-T", word, "-c", f"on {word}", "--no-embed").code == 0

    ran = cli("reembed", "rehearse")

    assert (ran.code, "No row of the sample has a vector: there is nothing to compare with." in ran.out) == (0, True)
    assert "A run would embed 12 rows" in ran.out
    found = rehearse(cli).json
    assert (found["now"], found["target"] is None, found["rows_to_embed"]) == (None, False, 12)


@pytest.mark.usefixtures("filled")
def test_vectors_of_unknown_origin_are_searched_only_by_the_previous_model(
    cli: Cli, db: Path, new: FakeEndpoint, use: Use
) -> None:
    files.execute(db, "UPDATE memories SET embedding_space = NULL")
    files.execute(db, "DELETE FROM embedding_provenance")
    assert rehearse(cli).json["searchable_now"] == 12
    use(new)
    (note,) = rehearse(cli).json["notes"]
    assert "[embeddings.previous]" in note


@pytest.mark.usefixtures("filled")
def test_what_all_rows_take_is_told_by_what_the_sample_took(
    cli: Cli, new: FakeEndpoint, old: FakeEndpoint, use: Use
) -> None:
    new.change(tokens_a_byte=1.0)
    use(new, f"price_per_million_tokens = 1000.0\n{previous(old)}")

    found = rehearse(cli, "--sample", 6).json

    whole = sum(len(f"{word} a note on {word} and others") for word in WORDS)
    assert found["estimated_tokens"] == pytest.approx(whole, rel=0.1)
    assert found["estimated_cost"] == pytest.approx(found["estimated_tokens"] / 1000)
    assert found["spent_cost"] == pytest.approx(found["spent_tokens"] / 1000)
    assert found["estimated_seconds"] == pytest.approx(2 * found["sample_seconds"], abs=0.1)


@pytest.mark.usefixtures("filled")
def test_a_refused_row_is_named_and_of_all_estimated(cli: Cli, db: Path, new: FakeEndpoint) -> None:
    new.change(poison="cedar")

    found = rehearse(cli).json

    assert [each["id"] for each in found["refused"]] == [ids(db)["cedar"]]
    assert (found["embedded_rows"], found["estimated_refused"]) == (11, 1)
    assert f"  {ids(db)['cedar']}: " in cli("reembed", "rehearse").out


@pytest.mark.parametrize(
    ("kind", "code"), [("unauthorized", 77), ("server-error", 75), ("no-model", 3), ("unpaid", 69), ("short", 69)]
)
@pytest.mark.usefixtures("filled")
def test_it_ends_as_a_run_ends(cli: Cli, db: Path, new: FakeEndpoint, kind: str, code: int) -> None:
    before = db.read_bytes()
    new.fail(kind, times=FOREVER)

    ran = cli("reembed", "rehearse", "--retry-for", "0")

    assert (ran.code, ran.out, ran.err.count("error: ")) == (code, "", 1)
    assert db.read_bytes() == before


@pytest.mark.usefixtures("filled")
def test_one_vector_for_all_rows_ends_it(cli: Cli, new: FakeEndpoint) -> None:
    new.fail("none", times=2)
    new.fail("constant", times=FOREVER)

    ran = cli("reembed", "rehearse", "--retry-for", "0")

    assert (ran.code, ran.out, "different texts the same vector: 12 of 12 rows share one" in ran.err) == (69, "", True)


@pytest.mark.usefixtures("filled")
def test_rows_that_a_run_sets_aside_count_as_refused(cli: Cli, db: Path, new: FakeEndpoint) -> None:
    new.change(lies="three alike")
    for name, word in zip(("id-001", "id-004", "id-007"), WORDS, strict=False):
        files.edit(db, ids(db)[word], f"{name} {word}")

    found = rehearse(cli).json

    assert {each["id"] for each in found["refused"]} == {ids(db)[word] for word in WORDS[:3]}
    assert found["embedded_rows"] == 9


@pytest.mark.usefixtures("filled")
def test_other_weights_under_a_known_name_end_it(cli: Cli, new: FakeEndpoint) -> None:
    assert cli("reembed").code == 0
    new.change(weights="other")
    assert cli("reembed", "rehearse").code == 78


@pytest.mark.usefixtures("quiet_embedder")
def test_without_an_embedder_there_is_nothing_to_rehearse(cli: Cli) -> None:
    assert cli("init").code == 0
    assert cli("reembed", "rehearse").code == 2


@pytest.mark.usefixtures("filled")
def test_files_that_cannot_be_used_are_refused_before_anything_is_sent(
    cli: Cli, tmp_path: Path, new: FakeEndpoint
) -> None:
    (tmp_path / "queries").write_text('{"query": "x", "namespace": "nowhere"}\n')
    (tmp_path / "bad").write_text("{\n")
    assert cli("reembed", "rehearse", "--queries", tmp_path / "queries").code == 66
    assert cli("reembed", "rehearse", "--queries", "nowhere").code == 66
    assert cli("reembed", "rehearse", "--queries", tmp_path / "bad").code == 65
    assert cli("reembed", "rehearse", "--judgements", tmp_path / "bad").code == 64
    assert new.seen.requests == 0


def test_an_empty_database_asks_for_nothing(cli: Cli, new: FakeEndpoint, use: Use) -> None:
    use(new)
    assert cli("init").code == 0
    ran = cli("reembed", "rehearse")
    assert (ran.code, ran.out, new.seen.requests) == (0, "There is no row to embed.\n", 0)


def test_a_signal_ends_it_without_a_word(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    command = Command(files.create(tmp_path / "m.db"), remote(endpoint))
    endpoint.change(latency=30)
    process = command.start("reembed", "rehearse", "-q")
    wait_for(lambda: endpoint.seen.requests)
    ended = kill(process, signal.SIGINT)
    command.end()
    assert (ended.code, ended.out, ended.err) == (130, "", "")
