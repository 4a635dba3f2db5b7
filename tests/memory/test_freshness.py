"""What a row is, seen from a target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.memory import freshness
from ai_memory.memory.document import MAX_BYTES, document, source_hash, stored_hash
from ai_memory.memory.freshness import (
    Document,
    Freshness,
    Unfit,
    carries_stamp,
    classify,
    embeddable,
    examine,
    is_recorded,
)
from ai_memory.memory.row import MemoryRow, Traits
from ai_memory.memory.text_codec import Codec
from ai_memory.vectors.blob import encode, head
from ai_memory.vectors.target import Fingerprint

TEXT = "title content"
SRC = source_hash(TEXT)
BLOB = encode(np.arange(1, 17, dtype=np.float32))
NAN = np.float32("nan").tobytes()
TARGET = Fingerprint(3, b"digest", "{}", "fake#none", 16, None)
ROW = MemoryRow(
    raw_id=b"id",
    raw_namespace=b"ns",
    is_text=1,
    raw_title=b"title",
    raw_content=b"content",
    envelope=None,
    raw_recipient=None,
    live=1,
    embedding=BLOB,
    dim=16,
    raw_space=b"fake#none",
    fingerprint_id=TARGET.id,
    recorded_src=SRC,
    recorded_head=head(BLOB),
    origin="reembed",
    quarantined_src=None,
    reads=7,
    codec=Codec("UTF-8"),
)
UNRECORDED: dict[str, Any] = {"fingerprint_id": None, "recorded_src": None, "recorded_head": None, "origin": None}


def row(**change: Any) -> MemoryRow:  # noqa: ANN401 - columns
    return ROW._replace(**change)


FULL = Traits(has_space=True, has_dim=True)
NO_SPACE = Traits(has_space=False, has_dim=True)
BARE = Traits(has_space=False, has_dim=False)


def test_a_row_whose_record_stamp_and_blob_agree_is_fresh() -> None:
    assert classify(ROW, TARGET, FULL) is Freshness.FRESH


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint_id": 2},
        {"fingerprint_id": None},
        {"recorded_src": source_hash("an older text")},
        {"raw_title": b"edited"},
        {"raw_content": b"edited"},
        {"is_text": 0},
        {"raw_content": b"", "envelope": b"sealed", "recorded_src": source_hash("title ")},
        {"recorded_head": None},
        {"embedding": None},
        {"embedding": b"\x01another vector!!" + BLOB[17:]},
        {"embedding": BLOB[1:]},
        {"embedding": BLOB + bytes(4)},
        {"dim": 8},
        {"dim": None},
        {"raw_space": b"other#none"},
        {"raw_space": None},
    ],
)
def test_a_row_with_one_thing_that_disagrees_is_stale(change: dict[str, Any]) -> None:
    assert classify(row(**change), TARGET, FULL) is Freshness.STALE


def test_a_vector_that_was_broken_behind_its_head_is_stale_though_recorded() -> None:
    broken = row(embedding=BLOB[:-4] + NAN)

    assert is_recorded(broken, TARGET, FULL)
    assert classify(broken, TARGET, FULL) is Freshness.STALE


def test_a_row_of_a_target_never_seen_is_stale() -> None:
    assert classify(ROW, None, FULL) is Freshness.STALE


@pytest.mark.parametrize(("have", "fresh"), [(FULL, False), (NO_SPACE, True), (BARE, True)])
def test_a_column_that_the_file_lacks_is_not_asked(have: Traits, fresh: bool) -> None:
    assert (classify(row(raw_space=None), TARGET, have) is Freshness.FRESH) is fresh


def test_quarantine_is_in_force_only_for_the_text_it_was_made_for() -> None:
    refused = {**UNRECORDED, "quarantined_src": SRC}

    assert classify(row(**refused), TARGET, FULL) is Freshness.QUARANTINED
    assert classify(row(**refused, raw_content=b"edited"), TARGET, FULL) is Freshness.STALE


def test_a_fresh_row_is_fresh_though_an_old_quarantine_names_it() -> None:
    assert classify(row(quarantined_src=SRC), TARGET, FULL) is Freshness.FRESH


@pytest.mark.parametrize(
    ("change", "have", "carried"),
    [
        (UNRECORDED, FULL, True),
        ({}, FULL, False),
        ({**UNRECORDED, "raw_space": b"other#none"}, FULL, False),
        ({**UNRECORDED, "dim": 8}, FULL, False),
        ({**UNRECORDED, "embedding": BLOB[:33]}, FULL, False),
        ({**UNRECORDED, "embedding": None}, FULL, False),
        (UNRECORDED, NO_SPACE, False),
    ],
)
def test_only_a_stamp_of_the_targets_space_and_true_width_is_taken(
    change: dict[str, Any], have: Traits, carried: bool
) -> None:
    assert carries_stamp(row(**change), TARGET, have) is carried


def test_the_document_is_title_blank_content() -> None:
    assert examine(ROW) == Document("id", "ns", "title", "content", TEXT, SRC, len(TEXT.encode()), reads=7)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"envelope": b"sealed", "raw_content": b""}, "undecryptable"),
        ({"raw_title": b"\xff"}, "undecodable"),
        ({"raw_content": None}, "undecodable"),
        ({"is_text": 0}, "undecodable"),
        ({"raw_title": b"", "raw_content": b" \n\t"}, "empty"),
        ({"raw_content": b"x" * MAX_BYTES}, "oversize"),
        ({"raw_title": b"", "raw_content": "é".encode() * (MAX_BYTES // 2)}, "oversize"),
    ],
)
def test_a_row_that_cannot_be_embedded_says_why(change: dict[str, Any], kind: str) -> None:
    found = examine(row(**change))

    assert isinstance(found, Unfit)
    assert (found.reason.kind, embeddable(row(**change))) == (kind, False)


def test_a_document_of_exactly_the_limit_is_embedded() -> None:
    longest = row(raw_title=b"", raw_content=b"x" * (MAX_BYTES - 1))

    assert isinstance(examine(longest), Document)
    assert embeddable(longest)


def test_an_unreadable_row_is_known_by_its_raw_bytes() -> None:
    one, other = (examine(row(raw_content=raw)) for raw in (b"\xff", b"\xfe"))

    assert one.src != other.src


@given(st.text(), st.text())
def test_the_hash_of_stored_bytes_is_that_of_their_document(title: str, content: str) -> None:
    assert stored_hash(title.encode(), content.encode()) == source_hash(document(title, content))


STORED = (
    st.text().map(str.encode) | st.binary() | st.sampled_from([b"", b" \n", b"\xc2\xa0", b"a\0b", b"x" * MAX_BYTES])
)


@given(STORED | st.none(), STORED | st.none(), st.booleans(), st.none() | st.just(b"sealed"))
def test_a_row_read_the_short_way_is_what_it_is_read_the_long_way(
    title: bytes | None, content: bytes | None, is_text: bool, envelope: bytes | None
) -> None:
    read = row(raw_title=title, raw_content=content, is_text=int(is_text), envelope=envelope)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freshness, "_read", lambda _: None)
        long_way = examine(read), embeddable(read)

    assert (examine(read), embeddable(read)) == long_way


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_a_row_of_another_encoding_is_fresh_by_its_text(encoding: str) -> None:
    texts = {"raw_title": "title", "raw_content": "content", "raw_space": "fake#none"}
    stored: dict[str, Any] = {name: text.encode(encoding) for name, text in texts.items()}
    read = row(**stored, codec=Codec(encoding))

    assert classify(read, TARGET, FULL) is Freshness.FRESH
    assert classify(read._replace(recorded_src=source_hash("edited")), TARGET, FULL) is Freshness.STALE
