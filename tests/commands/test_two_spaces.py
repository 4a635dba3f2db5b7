"""Search in a file of two spaces: each row is found by its meaning, whichever embedder gave it its vector."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, Ran
from tests.embed.conftest import write_tiny_model
from tests.support import files, shapes
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

TEXTS = [f"text{number}" for number in range(6)]
KEY = "sk-two-spaces-0123456789"
Use = Callable[..., None]


@pytest.fixture
def old() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=8, model="old") as server:
        yield server


@pytest.fixture
def new() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=16, model="new") as server:
        yield server


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Writes the configuration: an endpoint, its model where it is another than the server's, and more lines."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "ai-memory").mkdir(parents=True)

    def write(endpoint: FakeEndpoint, more: str = "", *, model: str = "") -> None:
        table = f"[embeddings]\n{of(endpoint, model)}{more}\n"
        (tmp_path / "home" / "ai-memory" / "config.toml").write_text(table, encoding="utf-8")

    return write


def of(endpoint: FakeEndpoint, model: str = "") -> str:
    named = model or endpoint.behaviour.model
    return f'backend = "openai-compatible"\nbase_url = "{endpoint.url}"\nmodel = "{named}"\n'


def previous(endpoint: FakeEndpoint, more: str = "") -> str:
    return f"[embeddings.previous]\n{of(endpoint)}{more}"


def remember(cli: Cli, texts: list[str]) -> None:
    for text in texts:
        assert cli("store", "-T", text, "-c", f"about {text}", "--json").json["embedded"]


def half_way(cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use) -> None:
    """Leave a migration from one endpoint to the other in the middle."""
    use(old)
    remember(cli, TEXTS)
    use(new)
    assert cli("reembed", "--batch", "1", "--max-rows", "3").code == 75
    old.seen.texts.clear()
    old.seen.requests = new.seen.requests = 0


def found(cli: Cli, text: str, *more: str) -> Ran:
    ran = cli("recall", f"{text} about {text}", "--json", *more)
    assert ran.code == 0
    return ran


def compared(ran: Ran) -> set[str]:
    return {each["title"] for each in ran.json["memories"] if each["cosine"] is not None}


def test_half_way_every_row_is_found_by_its_meaning(cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use) -> None:
    half_way(cli, old, new, use)
    use(new, previous(old))

    for text in TEXTS:
        ran = found(cli, text)
        first = ran.json["memories"][0]
        assert (first["title"], first["cosine"]) == (text, pytest.approx(1, abs=1e-4))
        assert (compared(ran), ran.json["left_out"], ran.err) == (set(TEXTS), {}, "")


def test_the_old_embedder_of_the_same_server_needs_no_configuration(cli: Cli, new: FakeEndpoint, use: Use) -> None:
    new.change(also={"old": 8})
    use(new, model="old")
    remember(cli, TEXTS)
    use(new)
    assert cli("reembed", "--batch", "1", "--max-rows", "3").code == 75

    ran = found(cli, TEXTS[0])

    assert (compared(ran), ran.err) == (set(TEXTS), "")


def test_embedders_are_asked_side_by_side(cli: Cli, new: FakeEndpoint, use: Use) -> None:
    new.change(also={"old": 8})
    use(new, model="old")
    remember(cli, TEXTS[:3])
    use(new)
    remember(cli, TEXTS[3:])
    assert new.seen.most_in_flight == 1
    new.change(latency=0.5)

    found(cli, TEXTS[0])

    assert new.seen.most_in_flight == 2


def test_an_old_embedder_that_only_the_file_names_is_not_asked_and_the_line_to_paste_is_told(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_KEY", KEY)
    use(old, 'api_key_env = "OLD_KEY"')
    remember(cli, TEXTS[:3])
    use(new)
    remember(cli, TEXTS[3:])
    old.seen.requests = 0

    ran = found(cli, TEXTS[0])

    assert (old.seen.requests, compared(ran), ran.err.count("\n")) == (0, set(TEXTS[3:]), 1)
    told = re.search(r"below \[embeddings\] in the config file: (previous = \{ .* \})", ran.err)
    assert told
    use(new, told[1])
    again = found(cli, TEXTS[0])
    assert (compared(again), again.err) == (set(TEXTS), "")
    assert old.seen.headers[-1]["Authorization"] == f"Bearer {KEY}"


def test_a_strangers_file_sends_nothing_anywhere(
    cli: Cli, db: Path, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    half_way(cli, old, new, use)
    stolen = {"backend": "openai-compatible", "base_url": old.url, "model": "old", "api_key_env": "HOME"}
    files.execute(db, "UPDATE embedding_settings SET settings_json = ?", json.dumps(stolen))

    ran = found(cli, TEXTS[0])

    assert old.seen.requests == 0
    assert ran.json["left_out"] == {"other_space": 3}


@pytest.mark.parametrize("settings", ["", "{", '{"backend": "local", "model": "../../etc"}', '{"backend": 1}'])
def test_damaged_settings_in_the_file_cost_no_more_than_a_note(
    cli: Cli, db: Path, old: FakeEndpoint, new: FakeEndpoint, use: Use, settings: str
) -> None:
    half_way(cli, old, new, use)
    files.execute(db, "UPDATE embedding_settings SET settings_json = ?", settings)

    ran = found(cli, TEXTS[0])

    assert (compared(ran) <= set(TEXTS), ran.err.count("\n"), "Traceback" in ran.err) == (True, 1, False)


def test_no_key_is_ever_written_into_the_file(
    cli: Cli, db: Path, old: FakeEndpoint, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_KEY", KEY)
    old.change(key=KEY)
    use(old, 'api_key_env = "OLD_KEY"')
    remember(cli, TEXTS[:1])

    written = b"".join(path.read_bytes() for path in db.parent.glob(f"{db.name}*"))
    assert b"OLD_KEY" in written
    assert KEY.encode() not in written


def test_where_the_old_embedder_is_away_its_rows_are_found_by_words_and_one_line_says_so(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    half_way(cli, old, new, use)
    use(new, previous(old))
    old.fail("unauthorized", times=FOREVER)

    stale = min(set(TEXTS) - compared(found(cli, TEXTS[0])))
    ran = found(cli, stale)

    cosines = {each["title"]: each["cosine"] for each in ran.json["memories"]}
    assert (cosines[stale], len(compared(ran)), ran.json["left_out"]) == (None, 3, {"other_space": 3})
    assert (ran.err.count("\n"), "Of old#none: " in ran.err) == (1, True)


def test_where_the_new_embedder_is_away_the_old_rows_are_still_found_by_meaning(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    half_way(cli, old, new, use)
    use(new, previous(old))
    new.fail("unauthorized", times=FOREVER)

    old_ones = compared(found(cli, TEXTS[0]))
    ran = found(cli, min(old_ones))

    assert (len(old_ones), ran.json["memories"][0]["title"]) == (3, min(old_ones))
    assert "warning: searching by words alone what is not of old#none" in ran.err


def test_a_file_of_one_space_is_searched_as_if_there_were_no_other(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    half_way(cli, old, new, use)
    assert cli("reembed", "--resume").code == 0
    alone = found(cli, TEXTS[0])
    use(new, previous(old))
    old.seen.requests = 0

    beside = found(cli, TEXTS[0])

    assert (beside.out, beside.err, old.seen.requests) == (alone.out, alone.err, 0)


def test_a_mistake_in_the_previous_embedder_costs_no_more_than_a_note(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    half_way(cli, old, new, use)
    use(new, "[embeddings.previous]\ndim = -1")

    ran = found(cli, TEXTS[0])

    assert (len(compared(ran)), ran.err.count("\n")) == (3, 1)
    assert "[embeddings.previous].dim is -1" in ran.err


def test_unstamped_vectors_are_those_of_the_previous_embedder(
    cli: Cli, db: Path, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    old.change(dim=shapes.DIM)
    shape = shapes.build(db, 70, kinds={shapes.PLAIN})
    use(new, previous(old))

    before = found(cli, "note")
    assert cli("reembed", "--batch", "1", "--max-rows", "2").code == 75
    during = found(cli, "note", "--limit", "1000")

    assert before.json["unproven"] == sum(bool(row.blob) for row in shape.rows)
    assert 0 < during.json["unproven"] < before.json["unproven"]
    assert compared(before) <= compared(during)
    assert "unknown_origin" not in during.json["left_out"]
    assert "as wide as those of old#none" in before.err


def test_the_space_of_a_namespace_is_judged_by_the_whole_file(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    use(old)
    for text in TEXTS[:3]:
        assert cli("store", "-n", "a", "-T", text, "-c", f"about {text}").code == 0
    use(new, previous(old))
    for text in TEXTS[3:]:
        assert cli("store", "-n", "a" if text == "text3" else "b", "-T", text, "-c", f"about {text}").code == 0

    ran = found(cli, "text3", "-n", "a")

    assert compared(ran) == {*TEXTS[:3], "text3"}
    assert ran.json["memories"][0]["title"] == "text3"


def test_two_local_models_are_each_taken_from_where_they_are(
    cli: Cli, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "local.toml"
    monkeypatch.setenv("AI_MEMORY_DB", str(db))
    models = [write_tiny_model(tmp_path / name, seed=seed) for name, seed in (("one", 1), ("two", 2))]
    for folder, text in zip(models, TEXTS, strict=False):
        config.write_text(f'[embeddings]\nmodel_path = "{folder}"\n')
        assert cli("--config", config, "store", "-T", text, "-c", "x", "--json").json["embedded"]

    both = cli("--config", config, "recall", "text0 x", "--json")
    assert (both.code, both.err, compared(both)) == (0, "", set(TEXTS[:2]))

    models[0].rename(tmp_path / "gone")
    gone = cli("--config", config, "recall", "text0 x", "--json")
    assert (compared(gone), gone.err.count("\n"), "No such file or directory" in gone.err) == ({"text1"}, 1, True)


def test_doctor_says_whether_the_old_embedder_answers(cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use) -> None:
    half_way(cli, old, new, use)
    use(new, previous(old))
    well = cli("doctor", "--json").json
    old.fail("unauthorized", times=FOREVER)
    away = cli("doctor", "--json").json

    assert well["previous"] == {"old#none": "ok"}
    assert not any("old#none" in each for each in well["findings"])
    assert any(each.startswith("vectors of old#none are found by words alone") for each in away["findings"])
    assert "refused the key" in away["previous"]["old#none"]


def test_doctor_asks_no_old_embedder_where_no_vector_is_its_own(
    cli: Cli, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    use(new, previous(old))
    remember(cli, TEXTS)

    assert (cli("doctor", "--json").json["previous"], old.seen.requests) == ({}, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["store", "-T", "another", "-c", "text"],
        ["import", "in.jsonl"],
        ["backfill"],
        ["reembed"],
        ["reembed", "--stamp-only"],
    ],
)
def test_whoever_writes_vectors_keeps_how_the_embedder_was_configured(
    cli: Cli, db: Path, old: FakeEndpoint, use: Use, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text('{"title": "one", "content": "first"}\n')
    use(old)
    if words[-1] == "--stamp-only":
        remember(cli, TEXTS)
        files.execute(db, "DELETE FROM embedding_provenance")
        files.execute(db, "DELETE FROM embedding_settings")
    else:
        assert cli("store", "-T", "bare", "-c", "text", "--no-embed").code == 0

    assert cli(*words).code == 0

    # Before its endpoint has told the width a target is another one.
    kept = files.execute(
        db,
        "SELECT settings_json FROM embedding_settings AS s JOIN embedding_fingerprint AS f ON f.id = s.target"
        " WHERE dim > 0",
    )
    assert [json.loads(each) for (each,) in kept] == [
        {"backend": "openai-compatible", "base_url": old.url, "model": "old"}
    ]


def test_doctor_names_a_mistake_in_the_previous_embedder(cli: Cli, new: FakeEndpoint, use: Use) -> None:
    use(new, "[embeddings.previous]\ndim = -1")
    remember(cli, TEXTS[:1])

    [finding] = cli("doctor", "--json").json["findings"]

    assert finding.startswith("the previous embedder: ")
    assert "[embeddings.previous].dim is -1" in finding


def test_unstamped_vectors_are_not_compared_with_another_model_because_the_previous_one_is_away(
    cli: Cli, db: Path, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    for each in (old, new):
        each.change(dim=shapes.DIM)
    shapes.build(db, 70, kinds={shapes.PLAIN})
    use(new)
    taken = found(cli, "note").json["unproven"]
    old.fail("unauthorized", times=FOREVER)

    for configured in (previous(old), "[embeddings.previous]\ndim = -1"):
        use(new, configured)
        ran = found(cli, "note")
        assert (compared(ran), ran.json["unproven"]) == (set(), 0)
        assert ran.json["left_out"]["unknown_origin"] == taken > 0
        assert ran.err.count("\n") == 1


def test_unstamped_vectors_are_not_of_whichever_embedder_answers(
    cli: Cli, db: Path, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    for each in (old, new):
        each.change(dim=shapes.DIM)
    shapes.build(db, 70, kinds={shapes.PLAIN})
    new.change(also={"old": shapes.DIM})
    use(new, model="old")
    remember(cli, TEXTS[:1])
    use(new)
    new.change(model="renamed")

    ran = found(cli, TEXTS[0])

    assert compared(ran) == set(TEXTS[:1])
