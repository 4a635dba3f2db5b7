"""Where embeddings are turned off nobody wants vectors: nothing warns of their absence, and no hint leads to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli

pytestmark = pytest.mark.usefixtures("quiet_embedder")


def test_what_is_stored_by_words_alone_is_no_reason_to_warn(cli: Cli, tmp_path: Path) -> None:
    lines = tmp_path / "in.jsonl"
    lines.write_text('{"title": "one", "content": "first"}\n')

    for words in (("store", "-T", "two", "-c", "second"), ("import", str(lines))):
        loud, quiet = cli(*words), cli("-q", *words)

        assert (loud.code, quiet.code, quiet.err) == (0, 0, "")
        assert "embeddings turned off" in loud.err
        assert "warning" not in loud.err
        assert "backfill" not in loud.err


def test_a_file_without_vectors_is_sound_where_none_are_wanted(cli: Cli) -> None:
    assert cli("store", "-T", "one", "-c", "first").code == 0

    found = cli("doctor")

    assert (found.code, "backfill" in found.out) == (0, False)
