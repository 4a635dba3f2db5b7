"""Endpoints that answer and do not tell the truth: of their vectors, of their tokens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_memory.vectors.blob import encode, head
from tests.support import files
from tests.support.command import Answer, Command, remote
from tests.support.fake_endpoint import FOREVER, ONE, FakeEndpoint
from tests.support.faults import close_breaker

ROWS = 26


def notes(path: Path, endpoint: FakeEndpoint, *, rows: int = ROWS) -> Command:
    """Return the command on a file of rows without vectors."""
    command = Command(path / "m.db", remote(endpoint))
    lines = "".join(f'{{"title": "t{n}", "content": "content number {n}"}}\n' for n in range(rows))
    assert command.run("import", "-", "--no-embed", stdin=lines).code == 0
    return command


def lied_to(path: Path, lies: str, *flags: str, rows: int = 60, latency: float = 0.0) -> tuple[Answer, int, int]:
    """Return how a run to an endpoint with these lies ends, how many rows are right then, and how many are fresh."""
    with FakeEndpoint(lies=lies, latency=latency) as endpoint:
        command = notes(path, endpoint, rows=rows)
        answer = command.reembed("--yes", "--batch", "10", "--retry-for", "0.1s", *flags)
        found, texts = files.vectors(command.db), files.texts(command.db)
        right = sum(found[each] == encode(endpoint.vector(text)) for each, text in texts.items())
    return answer, right, len(files.execute(command.db, "SELECT 1 FROM embedding_provenance"))


@pytest.mark.parametrize(
    ("lies", "remedy"),
    [
        ("shifted", "2 texts per request at most"),
        ("pairs", "one text per request"),
        ("pairs in the last page", "one text per request"),
        ("crowded", "texts per request"),
        ("crowded behind", "texts per request"),
        ("last in line", "texts per request"),
        ("now and then", "one text per request"),
        ("later", "one text per request"),
        ("two alike", "one text per request"),
    ],
)
def test_what_is_mixed_up_in_one_request_is_found_and_asked_for_in_smaller_ones(
    tmp_path: Path, lies: str, remedy: str
) -> None:
    # So many pages that a remedy which only seems to help is found out, whatever was in flight beside it.
    answer, right, fresh = lied_to(tmp_path, lies, rows=205 if lies in {"later", "now and then"} else 65)

    assert (answer.code, right, fresh) == (0, answer.json["total"], answer.json["total"])
    assert remedy in answer.err
    assert answer.json["disagreed"] > 0


@pytest.mark.parametrize(("lies", "concurrency"), [("beside", "2"), ("beside two", "4")])
def test_vectors_spoiled_by_requests_side_by_side_are_found_and_asked_for_one_at_a_time(
    tmp_path: Path, lies: str, concurrency: str
) -> None:
    answer, right, fresh = lied_to(tmp_path, lies, "--concurrency", concurrency, latency=0.05)

    assert (answer.code, right, fresh) == (0, 60, 60)
    assert "one at a time from now on" in answer.err


@pytest.mark.parametrize("concurrency", ["1", "2"])
@pytest.mark.parametrize("lies", ["another for a while", "another for a moment", "another at first"])
def test_no_row_passes_for_right_that_another_model_served_for_a_time(
    tmp_path: Path, lies: str, concurrency: str
) -> None:
    with FakeEndpoint(lies=lies) as endpoint:
        command = notes(tmp_path, endpoint, rows=300)
        answer = command.reembed("--yes", "--batch", "5", "--retry-for", "0.1s", "--concurrency", concurrency)
        found, texts = files.vectors(command.db), files.texts(command.db)
        recorded = [each for (each,) in files.execute(command.db, "SELECT memory_id FROM embedding_provenance")]
        wrong = [each for each in recorded if found[each] != encode(endpoint.vector(texts[each]))]

    assert (wrong, answer.json["disagreed"] > 0 or answer.code == 78) == ([], True)
    assert answer.code in {0, 78}
    assert len(recorded) == answer.json["reembedded"]
    assert answer.code == 78 or len(recorded) == answer.json["total"]


@pytest.mark.parametrize("lies", ["restless", "every seventh"])
def test_a_text_that_gets_another_vector_each_time_is_69_and_nothing_is_written(tmp_path: Path, lies: str) -> None:
    answer, right, fresh = lied_to(tmp_path, lies)

    assert (answer.code, right, fresh) == (69, 0, 0)
    assert "gives the same text different vectors" in answer.error


def test_one_vector_for_all_texts_of_a_kind_is_69_and_what_was_written_is_stale(tmp_path: Path) -> None:
    answer, _, fresh = lied_to(tmp_path, "one language")

    assert (answer.code, fresh) == (69, 0)
    assert "different texts the same vector" in answer.error


def test_a_few_different_texts_with_the_very_same_vector_are_quarantined_and_all_others_done(tmp_path: Path) -> None:
    with FakeEndpoint(lies="some alike") as endpoint:
        command = notes(tmp_path, endpoint, rows=60)
        answer = command.reembed("--yes", "--batch", "10", "--retry-for", "0.1s")
        listed = command.run("reembed", "quarantine")
        recorded = files.execute(command.db, "SELECT 1 FROM embedding_provenance")
        again = command.reembed("--resume")

    assert (answer.code, again.code, answer.json["quarantined"], len(recorded)) == (10, 10, 4, 56)
    assert listed.out.count("the endpoint gives it the same vector as other texts") == 4


def test_verify_finds_one_vector_for_all_texts_though_the_file_has_it(tmp_path: Path) -> None:
    with FakeEndpoint(lies="one vector by now") as endpoint:
        command = notes(tmp_path, endpoint, rows=60)
        assert command.reembed("--yes", "--batch", "30").code == 0
        found = encode(ONE)
        files.execute(command.db, "UPDATE memories SET embedding = ?", found)
        files.execute(command.db, "UPDATE embedding_provenance SET head = ?", head(found))
        endpoint.seen.requests = 100
        answer = command.run("reembed", "verify", "--json", "--sample", "20")

    assert (answer.code, answer.json["ok"], answer.json["sharing_a_vector"]) == (1, False, 20)
    assert answer.json["differ_at_most"] == 1.0


def test_what_was_learned_of_a_liar_is_kept_in_the_run(tmp_path: Path) -> None:
    with FakeEndpoint(lies="shifted") as endpoint:
        command = notes(tmp_path, endpoint, rows=60)
        first = command.reembed("--yes", "--batch", "10", "--max-rows", "20")
        again = command.reembed("--resume", "--batch", "10")

    assert (first.code, again.code) == (75, 0)
    assert "from now on" in first.err
    assert "from now on" not in again.err
    assert again.json["disagreed"] == 0


def test_the_report_states_what_rows_asked_again_prove(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint, rows=300)
        answer = command.reembed("--yes", "--batch", "30")

    asked = answer.json["asked_again"]
    assert (answer.code, answer.json["disagreed"]) == (0, 0)
    assert asked >= 10
    assert answer.json["differ_at_most"] == pytest.approx(1 - 0.05 ** (1 / asked), abs=1e-4)


def test_a_first_page_is_by_itself_until_its_rows_agree(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint, rows=60)
        command.reembed("--yes", "--batch", "10", "--concurrency", "4")

    sizes = [len(body["input"]) for body in endpoint.seen.bodies]
    # A text as numbers, the witness texts, the first page, three of its rows, and only then the second page.
    assert sizes[:8] == [1, 1, 1, 1, 10, 1, 1, 1]
    # The witness texts twice, the other five pages, and of each a row with one of the page before: side by side, or
    # after the last page where the window has closed to one request by then.
    assert sorted(sizes[8:-4]) == [*[1] * 10, 3, 3, *[10] * 5]
    # By themselves: a row of each page, and three of those.
    assert sizes[-4:] == [6, 1, 1, 1]


def test_the_old_model_under_the_new_name_is_78_before_anything_is_written(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint)
        assert command.reembed("--yes").code == 0
        before = files.vectors(command.db)
        files.execute(command.db, "UPDATE memories SET embedding_space = 'old#none'")
        files.execute(command.db, "DELETE FROM embedding_provenance")
        refused = command.reembed("--yes")
        after = files.vectors(command.db)
        meant = command.reembed("--resume", "--same-vectors")

    assert (refused.code, refused.json["reembedded"], after) == (78, 0, before)
    assert "the vectors that the file has already: 26 of 26 are those of old. Does it serve fake?" in refused.error
    assert (meant.code, meant.json["reembedded"]) == (0, ROWS)


def test_after_the_old_model_under_the_new_name_the_true_one_is_taken(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint)
        assert command.reembed("--yes").code == 0
        files.execute(command.db, "UPDATE memories SET embedding_space = 'old#none'")
        files.execute(command.db, "DELETE FROM embedding_provenance")
        assert command.reembed("--yes").code == 78
        endpoint.change(weights="new")
        mended = command.reembed("--resume")

    assert (mended.code, mended.json["reembedded"]) == (0, ROWS)


@pytest.mark.parametrize("after_canary", [False, True])
def test_one_vector_for_different_texts_is_69_and_nothing_is_written(tmp_path: Path, *, after_canary: bool) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint)
        if after_canary:
            # The breaker's canary is one text, which shows nothing.
            endpoint.fail("unavailable", times=2)
            assert command.reembed("--yes", "--retry-for", "0s").code == 75
            close_breaker(command.db)
            endpoint.heal()
        endpoint.fail("constant", times=FOREVER)
        answer = command.reembed("--resume", "--retarget", "--yes", "--retry-for", "0.1s")

    assert answer.code == 69
    assert "different texts the same vector" in answer.error
    assert files.embedded(command.db) == 0


def test_doctor_finds_an_endpoint_with_one_vector_for_different_texts(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = notes(tmp_path, endpoint)
        endpoint.fail("same", times=FOREVER)
        answer = command.run("doctor")

    assert answer.code == 1
    assert "different texts the same vector" in answer.out


def test_verify_asks_one_by_one_what_an_endpoint_mixes_up(tmp_path: Path) -> None:
    with FakeEndpoint(lies="shifted") as endpoint:
        command = notes(tmp_path, endpoint, rows=60)
        assert command.reembed("--yes", "--batch", "10").code == 0
        status = command.run("reembed", "status")
        plain = command.run("reembed", "verify")
        sampled = command.run("reembed", "verify", "--sample", "20")
        other = encode(endpoint.vector("another text"))
        files.execute(command.db, "UPDATE memories SET embedding = ?", other)
        files.execute(command.db, "UPDATE embedding_provenance SET head = ?", head(other))
        wrong = command.run("reembed", "verify", "--json", "--sample", "20")

    assert re.search("Of 60 rows [0-9]+ were asked again one by one and agree: at most [0-9]+ %", status.out)
    assert (plain.code, sampled.code, wrong.code) == (0, 0, 1)
    assert "All 60 live rows are stamped and recorded as fake" in plain.out
    assert "verify --sample 300" in plain.out
    assert "20 rows embedded again agree" in sampled.out
    assert "At most 14 % of the rows can differ (95 %)." in sampled.out
    assert len(wrong.json["differing"]) == 20
    assert wrong.json["differ_at_most"] == 1.0


@pytest.mark.parametrize("flags", [("--max-tokens", "2000"), ("--max-cost", "2")])
def test_counts_of_tokens_that_cannot_be_keep_no_row_from_being_done(tmp_path: Path, flags: tuple[str, str]) -> None:
    with FakeEndpoint(tokens_a_byte=1e5) as endpoint:
        config = tmp_path / "config.toml"
        config.write_text("[embeddings]\nprice_per_million_tokens = 1000\n", encoding="utf-8")
        command = notes(tmp_path, endpoint)
        answer = command.run("--config", config, "reembed", "--json", "--yes", "--batch", "5", *flags)

    bound = sum(len(text.encode()) + 4 for text in endpoint.seen.texts.elements())
    assert answer.code == 0
    assert answer.json["tokens"] == bound
    assert answer.json["cost"] == pytest.approx(bound / 1000)


def test_verify_of_all_rows_works_with_an_endpoint_that_takes_few_inputs(tmp_path: Path) -> None:
    with FakeEndpoint(max_inputs=20) as endpoint:
        command = notes(tmp_path, endpoint)
        assert command.reembed("--yes").code == 0
        answer = command.run("reembed", "verify", "--sample", "all")

    assert answer.code == 0
    assert f"{ROWS} rows embedded again agree" in answer.out


LINES = "".join(f'{{"title": "t{n}", "content": "content number {n}"}}\n' for n in range(60))


@pytest.mark.parametrize("lies", ["restless", "one language"])
def test_import_keeps_the_texts_without_the_vectors_of_a_liar(tmp_path: Path, lies: str) -> None:
    with FakeEndpoint(lies=lies) as endpoint:
        command = Command(tmp_path / "m.db", remote(endpoint, BACKFILL_BATCH="10"))
        answer = command.run("--json", "import", "-", stdin=LINES)
        right = {each: encode(endpoint.vector(text)) for each, text in files.texts(command.db).items()}

    assert (answer.code, answer.json["total"], answer.json["embedded"]) == (0, 60, False)
    assert answer.err.count("warning: stored without vectors: The e") == 1
    found = files.vectors(command.db)
    assert all(blob in (None, right[each]) for each, blob in found.items())


@pytest.mark.parametrize("verb", ["import", "backfill"])
@pytest.mark.parametrize("lies", ["shifted", "pairs"])
def test_import_and_backfill_ask_an_endpoint_that_mixes_texts_up_for_one_after_the_other(
    tmp_path: Path, lies: str, verb: str
) -> None:
    with FakeEndpoint(lies=lies) as endpoint:
        command = Command(tmp_path / "m.db", remote(endpoint, BACKFILL_BATCH="10"))
        if verb == "backfill":
            assert command.run("import", "-", "--no-embed", stdin=LINES).code == 0
            answer = command.run("backfill")
        else:
            answer = command.run("import", "-", stdin=LINES)
        right = {each: encode(endpoint.vector(text)) for each, text in files.texts(command.db).items()}

    assert (answer.code, files.vectors(command.db)) == (0, right)
    assert "warning: The endpoint gives texts other vectors when they share a request" in answer.err


@pytest.mark.parametrize("lies", ["restless", "one language"])
def test_backfill_writes_no_vector_of_a_liar_and_is_69(tmp_path: Path, lies: str) -> None:
    with FakeEndpoint(lies=lies) as endpoint:
        command = notes(tmp_path, endpoint, rows=60)
        answer = command.run("backfill")

    assert (answer.code, files.embedded(command.db)) == (69, 0)


def test_other_weights_fill_no_row_of_a_file_that_knows_its_model(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        command = Command(tmp_path / "m.db", remote(endpoint))
        assert command.run("import", "-", stdin=LINES).code == 0
        endpoint.change(weights="others")
        stored = command.run("--json", "store", "-T", "new", "-c", "text")
        filled = command.run("backfill")

    assert (stored.code, stored.json["embedded"]) == (0, False)
    assert "other weights under the same name" in stored.err
    assert (filled.code, files.embedded(command.db)) == (78, 60)


@pytest.mark.parametrize("batch", ["1", "7", "100"])
def test_import_and_backfill_of_an_honest_endpoint_ask_few_rows_again(tmp_path: Path, batch: str) -> None:
    with FakeEndpoint() as endpoint:
        command = Command(tmp_path / "m.db", remote(endpoint, BACKFILL_BATCH=batch))
        answer = command.run("--json", "import", "-", stdin=LINES)
        right = {each: encode(endpoint.vector(text)) for each, text in files.texts(command.db).items()}

    assert (answer.code, answer.json["vectors"], answer.json["embedded"]) == (0, 60, True)
    assert files.vectors(command.db) == right
    assert sum(endpoint.seen.texts.values()) <= 3 + 60 + 3 + 60 // 20 + 1
