"""`reembed --staged`, `switch` and `switch --back` as a person types them: what search answers meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, Use, previous
from tests.support import files
from tests.support.fake_endpoint import FakeEndpoint

QUERIES = ("content of id-003", "title", "nothing of this")


@pytest.fixture(autouse=True)
def ten_rows(db: Path) -> Path:
    return files.create(db)


@pytest.fixture
def old_model(cli: Cli, endpoint: FakeEndpoint) -> FakeEndpoint:
    """The endpoint of the model that the file has vectors of."""
    assert cli("reembed").code == 0
    return endpoint


@contextmanager
def another(dim: int = 8) -> Iterator[FakeEndpoint]:
    """Have another model configured inside the block."""
    with FakeEndpoint(dim=dim, model="other") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AI_MEMORY_EMBED_BASE_URL", server.url)
        patch.setenv("AI_MEMORY_EMBED_MODEL", "other")
        yield server


def answers(cli: Cli) -> list[str]:
    """Return what search prints, to the last byte."""
    return [cli("--json", "recall", query).out for query in QUERIES]


def kept_words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.usefixtures("old_model")
def test_search_answers_as_before_until_the_switch_and_after_it_by_the_new_model(cli: Cli) -> None:
    before = answers(cli)
    with another():
        ran = cli("reembed", "--staged", "--max-rows", "4", "--batch", "2")
        assert ran.code == 75
    assert answers(cli) == before
    with another():
        ran = cli("reembed", "--resume")
        assert (ran.code, "next: ai-memory reembed switch" in ran.err) == (0, True)
        assert "search serves what it served before" in cli("reembed", "status").out
        assert "next: ai-memory reembed switch" in cli("reembed", "status").out
        assert cli("reembed", "status", "--check").code == 1
        verified = cli("--json", "reembed", "verify")
        assert (verified.code, verified.json["staged"], verified.json["fresh"]) == (0, True, 10)
    assert answers(cli) == before

    with another():
        assert cli("reembed", "switch", "--no-wait").code == 0
        served = answers(cli)
        assert all('"cosine": null' not in each for each in served[:1])
        assert "0 of them stand in their memories" in cli("reembed", "status").out
        assert cli("reembed", "status", "--check").code == 75
        assert cli("doctor").code == 0
        assert cli("reembed", "--resume").code == 0
        assert answers(cli) == served
        assert cli("reembed", "status", "--check").code == 0
        assert cli("reembed", "verify").code == 0


def test_vectors_of_which_only_the_configuration_tells_are_served_as_before_too(
    cli: Cli, db: Path, old: FakeEndpoint, new: FakeEndpoint, use: Use
) -> None:
    use(old)
    assert cli("reembed").code == 0
    # As an old release leaves them: no stamp, no record, no run.
    files.execute(db, "UPDATE memories SET embedding_space = NULL")
    for table in ("embedding_provenance", "reembed_event", "reembed_checkpoint", "reembed_run"):
        files.execute(db, f"DELETE FROM {table}")
    before = answers(cli)
    assert '"cosine": null' not in before[0]

    use(new, previous(old))
    assert cli("reembed", "--staged", "--max-rows", "4", "--batch", "2").code == 75
    use(old)
    assert answers(cli) == before
    use(new, previous(old))
    assert cli("reembed", "cancel").code == 0
    use(old)
    assert answers(cli) == before


@pytest.mark.usefixtures("old_model")
def test_what_is_told_of_where_the_vectors_stand_is_true_after_the_switch_too(cli: Cli) -> None:
    beside, bound = "Judged is what the staged run has put beside", "were asked again one by one and agree"
    with another():
        cli("reembed", "--staged")
        assert beside in kept_words(cli("reembed", "verify").out)
        assert f"{bound}, so far" not in kept_words(cli("reembed", "status").out)
        cli("reembed", "switch", "--no-wait")
        verified, status = cli("reembed", "verify").out, kept_words(cli("reembed", "status").out)

    assert (beside in kept_words(verified), "Judged is what is served" in verified) == (False, True)
    assert (bound in status, f"{bound}, so far" in status) == (True, False)


@pytest.mark.usefixtures("old_model")
def test_vectors_are_not_stamped_in_the_place_of_others_that_are_served(cli: Cli, db: Path) -> None:
    with another():
        cli("reembed", "--staged")
        cli("reembed", "switch", "--no-wait")
        before = files.execute(db, "SELECT id, embedding, embedding_space FROM memories")
        for flags in (("--dry-run",), ("--sample", "all"), ()):
            ran = cli("reembed", "--stamp-only", *flags)
            assert (ran.code, "Finish that first: ai-memory reembed --resume" in kept_words(ran.err)) == (12, True)
        cli("reembed", "--resume", "--max-rows", "4")
        cli("reembed", "switch", "--back", "--no-wait")
        assert cli("reembed", "--stamp-only").code == 12
        assert cli("reembed", "--resume").code == 0
    assert cli("reembed", "--stamp-only").code == 0
    assert files.execute(db, "SELECT id, embedding, embedding_space FROM memories") == before


@pytest.mark.usefixtures("old_model")
def test_after_the_switch_the_way_back_to_the_old_model_can_be_typed_as_it_stands(cli: Cli) -> None:
    with another():
        cli("reembed", "--staged")
        cli("reembed", "switch", "--no-wait")

    found = cli("--json", "reembed", "verify").json["next"]
    assert found == "ai-memory reembed --resume; then: ai-memory reembed"
    for command in found.split("; then: "):
        assert cli(*command.removeprefix("ai-memory ").split()).code == 0
    assert cli("reembed", "verify").code == 0


@pytest.mark.usefixtures("old_model")
def test_the_room_beside_is_told_before_the_width_of_the_target_is_known(cli: Cli) -> None:
    with another(dim=16):
        told = cli("--json", "reembed", "--staged", "--dry-run").json
        tried = cli("--json", "reembed", "--staged", "--dry-run", "--probe").json

    assert told["staged_bytes"] == tried["staged_bytes"] > 0


@pytest.mark.usefixtures("old_model")
def test_no_read_is_said_to_be_answered_by_what_is_not_served(cli: Cli, db: Path) -> None:
    files.note_reads(db, "id-009", 60)
    files.note_reads(db, "id-004", 40)
    with another():
        cli("reembed", "--staged", "--order", "hot", "--max-rows", "1", "--batch", "1")
        assert "the new space will answer 60 % of reads" in kept_words(cli("reembed", "status").out)
        assert cli("reembed", "--resume").code == 0
        assert cli("reembed", "switch", "--no-wait").code == 0
        assert "the new space answers 100 % of reads" in kept_words(cli("reembed", "status").out)


@pytest.mark.usefixtures("old_model")
def test_the_moving_needs_no_embedder_and_the_way_back_neither(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(cli)
    with another():
        assert cli("reembed", "--staged").code == 0
    with monkeypatch.context() as patch:
        patch.setenv("AI_MEMORY_EMBED_BACKEND", "none")
        assert cli("reembed", "switch", "--no-wait").code == 0
        assert cli("reembed", "--resume", "--max-rows", "3").code == 75
        assert cli("reembed", "--resume").code == 0
        assert cli("reembed", "switch", "--back").code == 0

    assert answers(cli) == before
    assert cli("reembed", "--resume", "--or-start").code == 0


@pytest.mark.usefixtures("old_model")
def test_a_run_switches_by_itself_once_it_is_ready(cli: Cli) -> None:
    with another():
        ran = cli("reembed", "--staged", "--auto-switch")

        assert ran.code == 0
        assert "Run 2 is served now" in ran.out
        assert cli("--json", "stats").json["spaces"][0]["rows"] == 10


@pytest.mark.usefixtures("old_model")
def test_a_run_that_switches_by_itself_tells_both_in_one_object(cli: Cli) -> None:
    with another():
        ran = cli("--json", "reembed", "--staged", "--auto-switch")

    assert (ran.code, ran.json["state"], ran.json["switched"]) == (0, "done", True)
    assert (ran.json["run"]["state"], ran.json["run"]["reembedded"]) == ("ready", 10)


@pytest.mark.usefixtures("old_model")
def test_a_start_that_switches_by_itself_does_so_where_the_run_is_ready_already(cli: Cli) -> None:
    with another():
        assert cli("reembed", "--staged").code == 0

        ran = cli("reembed", "--resume", "--or-start", "--staged", "--auto-switch")

        assert (ran.code, "Run 2 is served now" in ran.out) == (0, True)


@pytest.mark.usefixtures("old_model")
def test_a_run_in_place_has_nothing_to_switch_to(cli: Cli) -> None:
    for flags in ((), ("--resume", "--or-start")):
        assert cli("reembed", *flags, "--auto-switch").code == 64


@pytest.mark.usefixtures("old_model")
def test_rows_in_quarantine_are_looked_at_before_a_switch(cli: Cli) -> None:
    with another() as server:
        server.change(poison="id-003")
        ran = cli("reembed", "--staged")
        assert (ran.code, "next: ai-memory reembed quarantine" in ran.err) == (10, True)
        assert "next: ai-memory reembed quarantine" in cli("reembed", "status").out
        told = cli("reembed", "quarantine").out
        server.change(poison="")
        assert "Try them again: ai-memory reembed --resume --retry-quarantined" in kept_words(told)
        assert cli("reembed", "--resume", "--retry-quarantined").code == 0
        assert cli("reembed", "switch").code == 0


@pytest.mark.usefixtures("old_model")
def test_a_way_back_that_is_served_is_not_given_up(cli: Cli) -> None:
    with another():
        cli("reembed", "--staged", "--auto-switch")
        cli("reembed", "switch", "--back", "--max-rows", "4")
        ran = cli("reembed", "cancel")

        assert (ran.code, "Finish it: ai-memory reembed --resume" in kept_words(ran.err)) == (12, True)


@pytest.mark.usefixtures("old_model")
def test_without_what_was_replaced_no_way_back_is_named(cli: Cli) -> None:
    with another():
        ran = cli("reembed", "--staged", "--auto-switch", "--no-undo")

        assert (ran.code, "--back" in ran.out) == (0, False)


@pytest.mark.usefixtures("old_model")
def test_switch_back_before_anything_is_moved_leaves_no_run(cli: Cli, db: Path) -> None:
    with another():
        assert cli("reembed", "--staged").code == 0
        assert cli("reembed", "switch", "--no-wait").code == 0
        back = cli("--json", "reembed", "switch", "--back")

        assert (back.code, back.json["state"]) == (0, "cancelled")
        assert cli("reembed", "--resume", "--or-start").code == 12
    assert files.execute(db, "SELECT count(*) FROM embedding_staged") == [(0,)]


@pytest.mark.usefixtures("old_model")
def test_switch_back_typed_twice_names_a_command_that_can_be_typed(cli: Cli) -> None:
    with another():
        assert cli("reembed", "--staged", "--auto-switch").code == 0
        assert cli("reembed", "switch", "--back").code == 0
        again = cli("reembed", "switch", "--back")

    assert (again.code, "is undone already" in again.out) == (0, True)
    assert "To undo an earlier one, too: ai-memory reembed rollback --run N" in kept_words(again.out)


@pytest.mark.usefixtures("old_model")
@pytest.mark.parametrize("flags", [(), ("--max-rows", "4", "--batch", "2")])
def test_cancel_drops_what_is_staged(cli: Cli, db: Path, flags: tuple[str, ...]) -> None:
    with another():
        cli("reembed", "--staged", *flags)
        ran = cli("reembed", "cancel")

    assert ran.code == 0
    assert "beside" in ran.out
    assert files.execute(db, "SELECT count(*) FROM embedding_staged") == [(0,)]
    assert cli("--json", "reembed", "verify").json["fresh"] == 10


@pytest.mark.usefixtures("old_model")
def test_a_run_whose_vectors_are_served_is_not_given_up(cli: Cli) -> None:
    with another():
        cli("reembed", "--staged")
        cli("reembed", "switch", "--no-wait")
        ran = cli("reembed", "cancel")

        assert ran.code == 12
        assert "switch --back" in ran.err


@pytest.mark.usefixtures("old_model")
def test_what_is_stored_meanwhile_is_found_in_both_spaces_or_by_its_words(cli: Cli, db: Path) -> None:
    with another():
        assert cli("reembed", "--staged").code == 0
        # The new model is configured: its vector goes beside the memory. Nothing leads to the old one's server.
        assert cli("store", "-T", "one", "-c", "stored by the new").code == 0
        assert files.execute(db, "SELECT count(*) FROM embedding_staged") == [(11,)]
        assert files.execute(db, "SELECT embedding FROM memories WHERE title = 'one'") == [(None,)]
    assert cli("store", "-T", "two", "-c", "stored by the old").code == 0
    assert "two" in cli("recall", "stored by the old").out
    with another():
        ran = cli("--json", "reembed", "switch")
        assert (ran.code, ran.json["state"], ran.json["moved"]) == (0, "done", 12)
        assert cli("reembed", "verify").code == 0


@pytest.mark.usefixtures("old_model")
def test_the_plan_says_the_room_and_replaces_nothing(cli: Cli) -> None:
    with another():
        ran = cli("--json", "reembed", "--staged", "--dry-run")

    assert ran.json["staged_bytes"] > 0
    assert "their vectors stay and are served until ai-memory reembed switch" in kept_words(ran.err)
    assert "REPLACED" not in ran.err
