"""The fingerprint of a target, by which every file knows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_memory.vectors.fingerprint import canonical_spec, differences, digest
from ai_memory.vectors.target import Target

NOMIC = Target(
    "nomic-ai/nomic-embed-text-v1.5#nomic-task-v1",
    768,
    "ollama",
    "nomic-embed-text",
    document_prefix="search_document: ",
    query_prefix="search_query: ",
)


def test_a_target_has_the_digest_under_which_files_know_it() -> None:
    assert digest(NOMIC).hex() == "e3e3e5626abac36467f9c556c2f1c29bb9bdb82a4b17c5d989f073c3dca6ea09"


@pytest.mark.parametrize(("field", "value"), [("model", "another name"), ("query_prefix", "")])
def test_what_changes_no_stored_vector_is_not_in_the_digest(field: str, value: str) -> None:
    assert digest(replace(NOMIC, **{field: value})) == digest(NOMIC)  # type: ignore[arg-type]


def test_a_difference_is_told_field_by_field() -> None:
    assert differences(canonical_spec(NOMIC), replace(NOMIC, dim=0, normalized=True)) == [
        "dim: 768 -> not configured",
        "normalized: False -> True",
    ]
