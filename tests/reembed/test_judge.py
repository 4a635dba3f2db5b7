"""What a row is, seen from a target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_memory.embed.document import MAX_BYTES, source_hash
from ai_memory.reembed.judge import Document, Unfit, Verdict, carries_stamp, examine, judge
from ai_memory.store.provenance import Fingerprint
from ai_memory.store.schema import Schema
from ai_memory.store.walk import MemoryRow, StoredVector

TEXT = "title content"
SRC = source_hash(TEXT)
HEAD = (65).to_bytes(4, "little") + b"0123456789abcdef"
TARGET = Fingerprint(3, b"digest", "{}", "fake#none", 16, None)
VECTOR = StoredVector(HEAD, 16, "fake#none", TARGET.id, SRC, HEAD, "reembed")
ROW = MemoryRow(
    "id", "ns", "title", "content", encrypted=False, raw=b"", live=True, vector=VECTOR, quarantined_src=None
)
UNRECORDED = replace(VECTOR, fingerprint_id=None, src=None, recorded_head=None, origin=None)


def schema(*columns: str) -> Schema:
    return Schema(frozenset(columns), rust=True, version=101, walk_index=False, has_reembed=True, encoding="UTF-8")


FULL = schema("embedding_dim", "embedding_space")
NO_SPACE = schema("embedding_dim")
BARE = schema()


def test_a_row_whose_record_stamp_and_blob_agree_is_fresh() -> None:
    assert judge(ROW, SRC, TARGET, FULL) is Verdict.FRESH


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint_id": 2},
        {"fingerprint_id": None},
        {"src": source_hash("an older text")},
        {"head": None},
        {"head": (65).to_bytes(4, "little") + b"another vector!!"},
        {"head": (64).to_bytes(4, "little") + b"0123456789abcdef"},
        {"dim": 8},
        {"dim": None},
        {"space": "other#none"},
        {"space": None},
    ],
)
def test_a_row_with_one_thing_that_disagrees_is_stale(change: dict[str, object]) -> None:
    row = replace(ROW, vector=replace(VECTOR, **change))  # type: ignore[arg-type]

    assert judge(row, SRC, TARGET, FULL) is Verdict.STALE


def test_a_row_of_a_target_never_seen_is_stale() -> None:
    assert judge(ROW, SRC, None, FULL) is Verdict.STALE


@pytest.mark.parametrize(("have", "fresh"), [(FULL, False), (NO_SPACE, True), (BARE, True)])
def test_a_column_that_the_file_lacks_is_not_asked(have: Schema, fresh: bool) -> None:
    row = replace(ROW, vector=replace(VECTOR, space=None))

    assert (judge(row, SRC, TARGET, have) is Verdict.FRESH) is fresh


def test_quarantine_is_in_force_only_for_the_text_it_was_made_for() -> None:
    row = replace(ROW, vector=UNRECORDED, quarantined_src=SRC)

    assert judge(row, SRC, TARGET, FULL) is Verdict.QUARANTINED
    assert judge(row, source_hash("edited"), TARGET, FULL) is Verdict.STALE


def test_a_fresh_row_is_fresh_though_an_old_quarantine_names_it() -> None:
    assert judge(replace(ROW, quarantined_src=SRC), SRC, TARGET, FULL) is Verdict.FRESH


@pytest.mark.parametrize(
    ("vector", "have", "carried"),
    [
        (UNRECORDED, FULL, True),
        (VECTOR, FULL, False),
        (replace(UNRECORDED, space="other#none"), FULL, False),
        (replace(UNRECORDED, dim=8), FULL, False),
        (replace(UNRECORDED, head=(33).to_bytes(4, "little")), FULL, False),
        (replace(UNRECORDED, head=None), FULL, False),
        (UNRECORDED, NO_SPACE, False),
    ],
)
def test_only_a_stamp_of_the_targets_space_and_true_width_is_taken(
    vector: StoredVector, have: Schema, carried: bool
) -> None:
    assert carries_stamp(replace(ROW, vector=vector), TARGET, have) is carried


def test_the_document_is_title_blank_content() -> None:
    assert examine(ROW) == Document("id", "ns", "title", "content", TEXT, SRC)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"encrypted": True, "content": ""}, "undecryptable"),
        ({"title": None}, "undecodable"),
        ({"content": None}, "undecodable"),
        ({"title": "", "content": " \n\t"}, "empty"),
        ({"content": "x" * MAX_BYTES}, "oversize"),
        ({"title": "", "content": "é" * (MAX_BYTES // 2)}, "oversize"),
    ],
)
def test_a_row_that_cannot_be_embedded_says_why(change: dict[str, object], kind: str) -> None:
    found = examine(replace(ROW, **change))  # type: ignore[arg-type]

    assert isinstance(found, Unfit)
    assert found.reason.kind == kind


def test_a_document_of_exactly_the_limit_is_embedded() -> None:
    assert isinstance(examine(replace(ROW, title="", content="x" * (MAX_BYTES - 1))), Document)


def test_an_unreadable_row_is_known_by_its_raw_bytes() -> None:
    one, other = (examine(replace(ROW, content=None, raw=raw)) for raw in (b"\xff", b"\xfe"))

    assert one.src != other.src
