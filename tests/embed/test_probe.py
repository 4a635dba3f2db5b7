"""The probe: does the endpoint serve the target, and still with the same weights?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from ai_memory.embed.probe import check_witness, probe, witness_bytes
from ai_memory.errors import (
    DataRefused,
    EmbedderInitFailed,
    EmbedError,
    EndpointUnusable,
    RowsRefused,
    TargetChanged,
    TransientFailure,
    WrongTarget,
)
from ai_memory.vectors.target import Fingerprint, Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.support.fakes import HashEmbedder

EMBEDDER = HashEmbedder()
TRUE = np.stack([EMBEDDER.vector(text) for text in WITNESS_TEXTS])


def known_by(witness: bytes | None) -> Fingerprint:
    return Fingerprint(1, b"", "{}", "fake/hash#none", 16, witness)


@dataclass(slots=True)
class Giving(HashEmbedder):
    """Gives the same vectors whatever is asked."""

    found: Vectors = field(default_factory=lambda: TRUE)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self.found[: len(texts)]


def failing(error: EmbedError) -> HashEmbedder:
    def before(_texts: Sequence[str]) -> None:
        raise error

    return HashEmbedder(before=before)


def test_the_probe_is_one_request_of_the_witness_texts() -> None:
    embedder = HashEmbedder()

    assert np.array_equal(probe(embedder), TRUE)
    assert (embedder.meter.spent.requests, embedder.meter.spent.texts_sent) == (1, len(WITNESS_TEXTS))


@pytest.mark.parametrize("error", [WrongTarget("unknown model."), RowsRefused("refused.", http_status=400)])
def test_an_endpoint_that_does_not_serve_the_target_is_exit_3(error: EmbedError) -> None:
    with pytest.raises(EmbedderInitFailed, match="does not serve the target") as refusal:
        probe(failing(error))

    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("alike", [(0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_two_texts_with_one_vector_are_no_target(alike: Sequence[int], noise: float) -> None:
    found = TRUE.copy()
    found[list(alike)] = found[alike[0]]
    found += np.float32(noise) * np.random.default_rng(1).standard_normal(found.shape).astype(np.float32)

    with pytest.raises(EndpointUnusable, match="different texts the same vector") as refusal:
        probe(Giving(found=found))
    assert refusal.value.exit_code == 69


def test_vectors_that_differ_in_length_alone_are_the_same() -> None:
    with pytest.raises(EndpointUnusable):
        probe(Giving(found=np.stack([TRUE[0], 2 * TRUE[0], TRUE[1]]).astype(np.float32)))


def test_vectors_of_near_directions_and_other_lengths_are_different() -> None:
    found = np.full((3, 16), 0.5, dtype=np.float32)
    found[:, 0] = [44, 77, 57]

    assert np.array_equal(probe(Giving(found=found)), found)


def test_an_outage_passes_as_it_is() -> None:
    with pytest.raises(TransientFailure):
        probe(failing(TransientFailure("gone.")))


def test_the_same_weights_agree_with_their_witness_though_the_last_digits_differ() -> None:
    check_witness(known_by(witness_bytes(TRUE)), (TRUE * np.float32(1.0001) + np.float32(1e-5)).astype(np.float32))


def test_other_weights_are_refused() -> None:
    other = np.stack([HashEmbedder(model="retrained").vector(text) for text in WITNESS_TEXTS])

    with pytest.raises(TargetChanged, match="other weights") as refusal:
        check_witness(known_by(witness_bytes(TRUE)), other)

    assert refusal.value.exit_code == 78


@pytest.mark.parametrize("witness", [None, witness_bytes(TRUE)])
@pytest.mark.parametrize("width", [1, 8])
def test_another_width_is_refused(witness: bytes | None, width: int) -> None:
    with pytest.raises(TargetChanged, match=f"dim: 16 -> {width}"):
        check_witness(known_by(witness), TRUE[:, :width])


def test_one_text_that_disagrees_is_enough() -> None:
    vectors = TRUE.copy()
    vectors[2] = HashEmbedder(model="retrained").vector(WITNESS_TEXTS[2])

    with pytest.raises(TargetChanged):
        check_witness(known_by(witness_bytes(TRUE)), vectors)


def test_a_canary_is_compared_with_the_first_witness() -> None:
    check_witness(known_by(witness_bytes(TRUE)), TRUE[:1])
    with pytest.raises(TargetChanged):
        check_witness(known_by(witness_bytes(TRUE)), TRUE[1:2])


def test_a_target_without_witness_believes_the_first_answer() -> None:
    check_witness(known_by(None), TRUE)


@pytest.mark.parametrize("dim", [0, 16])
@pytest.mark.parametrize(
    "witness",
    [
        b"",
        bytes(TRUE.nbytes),
        witness_bytes(TRUE)[:-1],
        witness_bytes(TRUE)[: 2 * 64],
        witness_bytes(TRUE)[:-4] + np.float32("nan").tobytes(),
        witness_bytes(TRUE)[:-4] + np.float32("inf").tobytes(),
        b"short",
    ],
)
def test_what_is_not_the_vectors_of_the_witness_texts_is_no_witness(witness: bytes, dim: int) -> None:
    recorded = Fingerprint(7, b"", "{}", "fake/hash#none", dim, witness)

    with pytest.raises(DataRefused, match="column witness of target 7") as refusal:
        check_witness(recorded, TRUE[:, :dim] if dim else np.zeros((3, 0), dtype=np.float32))

    assert refusal.value.exit_code == 65
