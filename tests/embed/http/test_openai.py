"""The order of vectors: by their indexes, and by where they stand where no index tells anything."""

from __future__ import annotations

import pytest

from ai_memory.embed.http.ollama import OllamaDialect
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.errors import AnswerViolation, ForeignAnswer

ABSENT = object()


def read(*indexes: object) -> list[float]:
    """Return which row each text got; `indexes` are those of rows 0, 1, …, ABSENT for none."""
    rows = [
        {"embedding": [float(row), 1.0], **({} if index is ABSENT else {"index": index})}
        for row, index in enumerate(indexes)
    ]
    found = OpenAiDialect("m").read({"data": rows}, count=len(indexes))
    return [float(vector[0]) for vector in found.vectors]


@pytest.mark.parametrize(
    ("indexes", "order"),
    [
        ((0, 1, 2), [0, 1, 2]),
        ((2, 0, 1), [1, 2, 0]),
        (("2", "0", "1"), [1, 2, 0]),
        ((2.0, 0.0, 1.0), [1, 2, 0]),
        ((ABSENT, 1, 2), [0, 1, 2]),
        ((2, ABSENT, 1), [1, 2, 0]),
        ((None, 1, 2), [0, 1, 2]),
        ((ABSENT, ABSENT, ABSENT), [0, 1, 2]),
        ((None, None, None), [0, 1, 2]),
        ((0, 0, 0), [0, 1, 2]),
        ((7, 7, 7), [0, 1, 2]),
        (("a", "b", "c"), [0, 1, 2]),
        ((1, 2, 3), [0, 1, 2]),
        (("1", "2", "3"), [0, 1, 2]),
        ((5,), [0]),
        ((ABSENT,), [0]),
    ],
)
def test_rows_come_in_the_order_that_their_indexes_tell(indexes: tuple[object, ...], order: list[float]) -> None:
    assert read(*indexes) == order


@pytest.mark.parametrize(
    "indexes",
    [
        (0, 0, 1),
        (0, 1, 1),
        (3, 1, 2),
        (2, 3, 1),
        (0, 1, 3),
        (-1, 0, 1),
        (ABSENT, ABSENT, 2),
        (ABSENT, 0, 1),
        ("x", 1, 2),
        (True, 0, 2),
        (0.5, 1, 2),
        (4, 5, 6),
    ],
)
def test_indexes_that_contradict_each_other_are_refused(indexes: tuple[object, ...]) -> None:
    with pytest.raises(AnswerViolation, match="missing, twice or out of range"):
        read(*indexes)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        [[0.1, 0.2]],
        {"data": {"embedding": [0.1, 0.2]}},
        {"data": None},
        {"data": [[0.1, 0.2]]},
        {"data": [{"index": 0}]},
        {"data": [{"index": 0, "embedding": [[0.1, 0.2]]}]},
        {"embeddings": {"float": [[0.1, 0.2]]}},
        {"embedding": [0.1, 0.2]},
    ],
)
def test_an_answer_in_another_language_is_told_apart_from_a_broken_one(answer: object) -> None:
    with pytest.raises(ForeignAnswer):
        OpenAiDialect("m").read(answer, count=1)


@pytest.mark.parametrize("answer", [{"data": []}, {"data": [{"index": 0, "embedding": "%"}]}])
def test_a_broken_answer_is_no_foreign_one(answer: object) -> None:
    with pytest.raises(AnswerViolation) as caught:
        OpenAiDialect("m").read(answer, count=1)

    assert type(caught.value) is AnswerViolation


@pytest.mark.parametrize("base", ["", "/api", "/openai", "/vllm"])
def test_a_base_url_without_a_version_is_asked_about(base: str) -> None:
    assert "need /v1" in OpenAiDialect("m").hint(base)


@pytest.mark.parametrize("base", ["/v1", "/v1beta/openai", "/compatible-mode/v1", "/openai/deployments/emb"])
def test_a_base_url_with_a_version_is_not(base: str) -> None:
    assert OpenAiDialect("m").hint(base) == ""


def test_a_doubled_path_is_named() -> None:
    assert "Remove /embeddings" in OpenAiDialect("m").hint("/v1/embeddings")
    assert "Remove the path" in OllamaDialect("m").hint("/v1")
    assert OllamaDialect("m").hint("") == ""
