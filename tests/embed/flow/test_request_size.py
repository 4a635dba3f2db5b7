"""How large a request may be: documented, and learned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.flow.documented import DocumentedLimits, documented_limits
from ai_memory.embed.flow.request_size import RequestSize, estimated_tokens
from ai_memory.errors import RequestTooLarge

TEXTS = [f"text {number}" for number in range(100)]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=50), st.integers(1, 20), st.integers(1, 300))
def test_a_request_never_crosses_a_limit_unless_one_text_does(texts: list[str], inputs: int, tokens: int) -> None:
    request = texts[: RequestSize(DocumentedLimits(inputs, tokens, 400)).fitting(texts)]

    assert 1 <= len(request) <= inputs
    size = sum(len(text.encode()) for text in request)
    assert len(request) == 1 or (estimated_tokens(request) <= tokens and size <= 400)


@pytest.mark.parametrize(
    ("host", "inputs"),
    [
        ("api.openai.com", 2048),
        ("api.voyageai.com", 1000),
        ("api.mistral.ai", 256),
        ("api.cohere.com", 96),
        ("dashscope-intl.aliyuncs.com", 10),
        ("generativelanguage.googleapis.com", 100),
        ("example.org", 2048),
    ],
)
def test_each_vendor_has_its_documented_number_of_inputs(host: str, inputs: int) -> None:
    assert RequestSize(documented_limits(f"https://{host}/v1")).inputs == inputs


def test_openais_tokens_a_request_bind_before_its_inputs() -> None:
    long_texts = ["word " * 3_000] * 100

    request = long_texts[: RequestSize(documented_limits("https://api.openai.com/v1")).fitting(long_texts)]

    assert estimated_tokens(request) <= 300_000
    assert len(request) == 59


@pytest.mark.parametrize(
    ("error", "learned"),
    [
        (RequestTooLarge("no.", unit="inputs", most=32), {"inputs": 32}),
        (RequestTooLarge("no.", unit="tokens", most=200), {"tokens": 200}),
    ],
)
def test_a_refusal_for_size_teaches_the_size_it_names(error: RequestTooLarge, learned: dict[str, int]) -> None:
    found = RequestSize(DocumentedLimits())

    assert found.learn(error, TEXTS)
    assert found.learned() == learned
    assert found.fitting(TEXTS) < len(TEXTS)


@pytest.mark.parametrize(
    "error", [RequestTooLarge("no."), RequestTooLarge("no.", unit="inputs", most=5_000), RequestTooLarge("no.", most=2)]
)
def test_a_size_that_is_not_named_or_not_crossed_teaches_nothing_by_itself(error: RequestTooLarge) -> None:
    found = RequestSize(DocumentedLimits())

    assert not found.learn(error, TEXTS)
    assert found.learned() == {}


def test_a_large_body_without_a_named_size_whose_texts_pass_in_smaller_ones_teaches_bytes() -> None:
    found, texts = RequestSize(DocumentedLimits()), [f"{number} ".ljust(30_000, "x") for number in range(10)]
    found.refused(texts, RequestTooLarge("no.", http_status=413))
    found.passed(texts[:5])
    found.passed(texts[5:])

    assert found.learned() == {"bytes": 150_000}
    assert found.fitting(texts) == 5


def test_a_refusal_of_a_size_that_has_passed_teaches_nothing() -> None:
    found = RequestSize(DocumentedLimits())
    found.passed(TEXTS)
    found.refused(TEXTS[:50])
    found.passed(TEXTS[:25])
    found.passed(TEXTS[25:50])

    assert found.learned() == {}


def test_the_second_refusal_of_a_size_that_passed_only_before_the_first_teaches_half_of_it() -> None:
    found = RequestSize(DocumentedLimits())
    found.passed(TEXTS)
    for _ in range(2):
        found.refused(TEXTS[:50])
        found.passed(TEXTS[:25])
        found.passed(TEXTS[25:50])

    assert found.learned() == {"inputs": 25}


def test_longer_texts_that_pass_in_smaller_requests_where_as_many_short_ones_passed_teach_bytes() -> None:
    found, long_texts = RequestSize(DocumentedLimits()), [f"{number} ".ljust(1_000, "x") for number in range(50)]
    found.passed(TEXTS[:50])
    found.refused(long_texts)
    found.passed(long_texts[:25])
    found.passed(long_texts[25:])

    assert found.learned() == {"bytes": 25_000}


def test_a_refused_batch_whose_halves_pass_was_too_large() -> None:
    found = RequestSize(DocumentedLimits())
    found.refused(TEXTS)
    found.passed(TEXTS[:50])
    assert found.learned() == {}
    found.passed(TEXTS[50:])

    assert found.learned() == {"inputs": 50}


def test_a_refused_batch_with_a_bad_text_teaches_nothing() -> None:
    found = RequestSize(DocumentedLimits())
    found.refused(TEXTS)
    found.refused(TEXTS[:1])
    found.passed(TEXTS[1:])

    assert found.learned() == {}


def test_slow_answers_make_requests_smaller_and_quick_ones_larger_again() -> None:
    found = RequestSize(DocumentedLimits(inputs=200))
    found.timed(3, 0.1)
    found.timed(100, 40.0)
    assert found.inputs == 25
    found.timed(25, 10.0)
    assert found.inputs == 25
    found.timed(25, 4.0)
    assert found.inputs == 50
    for _ in range(5):
        found.timed(found.inputs, 1.0)
    assert found.inputs == 200


def test_few_texts_that_a_cold_endpoint_is_slow_with_teach_nothing() -> None:
    found = RequestSize(DocumentedLimits())
    found.timed(3, 15.0)

    assert found.learned() == {}


def test_a_deadline_that_passed_takes_few_steps_to_a_single_text() -> None:
    found = RequestSize(DocumentedLimits())
    steps = []
    count = 100
    while count > 1:
        found.late(count)
        count = found.inputs
        steps.append(count)

    assert steps == [25, 6, 1]


def test_what_was_learned_is_restored_and_never_raises_a_limit() -> None:
    teacher, pupil = RequestSize(DocumentedLimits()), RequestSize(DocumentedLimits(inputs=10))
    teacher.learn(RequestTooLarge("no.", unit="inputs", most=32), TEXTS)
    teacher.late(20)
    pupil.restore(teacher.learned())

    assert teacher.learned() == {"inputs": 32, "in_time": 5}
    assert pupil.inputs == 5
    pupil.restore({"inputs": 1_000, "in_time": 1_000})
    assert pupil.inputs == 5


def test_trouble_that_passes_while_a_batch_is_halved_teaches_what_passed_in_the_end() -> None:
    found = RequestSize(DocumentedLimits())
    for size in (100, 50, 25, 13, 7, 4, 2):
        found.refused(TEXTS[:size])
    for start, end in ((0, 1), (1, 2), (2, 4), (4, 7), (7, 13), (13, 25), (25, 50), (50, 100)):
        found.passed(TEXTS[start:end])

    assert found.learned() == {"inputs": 50}
