"""The table from an answer to its class, with the answers that servers are documented to give."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.http.answer import Answer, Asked
from ai_memory.embed.http.rate_headers import retry_after
from ai_memory.embed.http.refusals import RULES, classify
from ai_memory.errors import (
    Breakdown,
    CredentialsRefused,
    EmbedError,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    RowsRefused,
    TransientFailure,
    WrongTarget,
)
from ai_memory.text.cleaning import one_line

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OPENAI_QUOTA = '{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
OPENAI_RATE = '{"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}'
OPENAI_TOO_MUCH = (
    '{"error": {"message": "Request too large for text-embedding-3-small", "code": "rate_limit_exceeded"}}'
)
GEMINI_KEY = (
    '[{"error": {"code": 400, "message": "API key not valid. Please pass one.", "status": "INVALID_ARGUMENT"}}]'
)
GOOGLE_RATE = (
    '{"error": {"status": "RESOURCE_EXHAUSTED", "message": "Resource has been exhausted (e.g. check quota)."}}'
)
VERTEX_RATE = (
    '{"error": {"status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded for '
    "aiplatform.googleapis.com/online_prediction_requests_per_base_model with base model: textembedding-gecko. "
    'Please submit a quota increase request."}}'
)
GEMINI_RATE = '{"error": {"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED"}}'
OLLAMA_MODEL = '{"error": "model \\"x\\" not found, try pulling it first"}'
OLLAMA_NAN = '{"error": "failed to encode response: json: unsupported value: NaN"}'
LLAMA_LARGE = '{"error": {"code": 500, "message": "input is too large to process. increase the batch size"}}'
VLLM_WIDTH = '{"message": "Model x does not support matryoshka representation, changing output dimensions"}'
DASHSCOPE_PAY = '{"error": {"code": "Arrearage", "message": "Access denied"}}'


def classed(status: int, body: str = "", *, dimensions: bool = False, **headers: str) -> EmbedError:
    asked = Asked("api.example", "https://api.example/embeddings", hint="Does it need /v1?", dimensions=dimensions)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Answer(status, body.encode(), named), asked=asked, now=NOW.timestamp())


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, "", RowsRefused),
        (400, GEMINI_KEY, CredentialsRefused),
        (400, VLLM_WIDTH, WrongTarget),
        (400, DASHSCOPE_PAY, QuotaExhausted),
        (400, '{"error": {"code": "model_not_found"}}', WrongTarget),
        (500, '{"error": "Unauthorized"}', CredentialsRefused),
        (400, '{"error": {"status": "UNAUTHENTICATED", "message": "who?"}}', CredentialsRefused),
        (401, "", CredentialsRefused),
        (402, "", QuotaExhausted),
        (403, "", CredentialsRefused),
        (404, OLLAMA_MODEL, WrongTarget),
        (405, "", WrongTarget),
        (408, "", TransientFailure),
        (413, "", RequestTooLarge),
        (418, "", WrongTarget),
        (422, '{"detail": "too long"}', RowsRefused),
        (425, "", TransientFailure),
        (429, "", RateLimited),
        (429, OPENAI_RATE, RateLimited),
        (429, OPENAI_TOO_MUCH, RequestTooLarge),
        (429, OPENAI_QUOTA, QuotaExhausted),
        (429, GEMINI_RATE, QuotaExhausted),
        (429, GOOGLE_RATE, RateLimited),
        (429, VERTEX_RATE, RateLimited),
        (400, '{"__type": "ThrottlingException", "message": "Rate exceeded"}', RateLimited),
        (500, "", Breakdown),
        (400, '{"error": "Model unloaded or crashed."}', Breakdown),
        (400, '{"error": "The model has crashed without additional information. (Exit code: 6)"}', Breakdown),
        (413, '{"message": "CUDA out of memory. Tried to allocate 2 GiB"}', Breakdown),
        (503, '{"error": "CUDA out of memory"}', Breakdown),
        (424, '{"error": "Backend error: CUDA_ERROR_OUT_OF_MEMORY", "error_type": "Backend"}', Breakdown),
        *((status, "", Breakdown) for status in (409, 423, 424, 498, 499, 502, 504, 520, 524)),
        (500, OLLAMA_NAN, RowsRefused),
        (500, LLAMA_LARGE, RowsRefused),
        (503, "<html>", TransientFailure),
        (529, "", TransientFailure),
        (301, "", WrongTarget),
        (204, "", WrongTarget),
    ],
)
def test_an_answer_is_classed_by_status_code_and_words(status: int, body: str, expected: type[EmbedError]) -> None:
    found = classed(status, body)

    assert type(found) is expected
    assert found.http_status == status


@pytest.mark.parametrize(
    ("message", "unit", "most"),
    [
        ("Invalid 'input': array too long. Expected an array with maximum length 2048, but got 2305.", "inputs", 2048),
        ("Invalid 'input': maximum request size is 300000 tokens per request.", "tokens", 300_000),
        ("Too many tokens in batch. Max is 16384 got 17555", "tokens", 16_384),
        ("Too many inputs in request, split into more batches.", "inputs", 0),
        ("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch", "inputs", 100),
        ("batch size is invalid, it should not be larger than 10.: input.contents", "inputs", 10),
        ("The max allowed tokens per submitted batch is 120000. Your batch has 121138 tokens.", "tokens", 120_000),
        ("batch size 50 > maximum allowed batch size 32", "inputs", 32),
    ],
)
def test_a_refusal_for_size_tells_what_it_counts_and_how_many_are_allowed(message: str, unit: str, most: int) -> None:
    found = classed(400, json.dumps({"error": {"message": message}}))

    assert isinstance(found, RequestTooLarge)
    assert (found.unit, found.most) == (unit, most)


def error(message: str, **more: object) -> str:
    return json.dumps({"error": {"message": message, **more}})


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
PLAN = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        (error(PLAN, status="RESOURCE_EXHAUSTED", details=[RETRY_INFO]), 34.07),
        (error(f"{PLAN} Please retry in 34.07s."), 34.07),
        (error(f"{PLAN} https://ai.google.dev/gemini-api/docs/rate-limits Please retry in 34.07s."), 34.07),
        (error("Rate limit reached for requests. Please try again in 20s. Visit the billing page"), 20),
        (error("Rate limit reached on tokens per min (TPM): Limit 40000, Used 39000. Please try again in 1m30s."), 90),
        (error("Requests to the Embeddings Operation have exceeded the limit. Please retry after 15 seconds."), 15),
        (error("Quota: 3 RPM. Add a payment method to your billing account."), 0),
        (error("credit: requests per minute"), 0),
        ('{"detail": "Too many requests, upgrade your billing plan"}', 0),
        (error("Rate limit exceeded: free-models-per-min. Add 10 credits"), 0),
        ('{"detail": "Token rate limit exceeded, limit: 100000 per min, upgrade your plan"}', 0),
        (error("ThrottlingException: Too many tokens, check your billing, please wait before trying again."), 0),
        ('{"message": "balance", "retry_after": 2.5}', 2.5),
        ('{"message": "billing", "parameters": {"retry_after_ms": 350}}', 0.35),
        ("plan and billing; wait 2 minutes", 120),
        (error(PLAN, details=[{"violations": [{"quotaId": "EmbedContentRequestsPerMinutePerProject"}]}]), 0),
    ],
)
def test_a_rate_that_speaks_of_billing_is_waited_for(body: str, wait: float) -> None:
    found = classed(429, body)

    assert isinstance(found, RateLimited)
    assert found.retry_after == pytest.approx(wait)


@pytest.mark.parametrize(
    "body",
    [
        error(PLAN, details=[RETRY_INFO, {"violations": [{"quotaId": "EmbedContentRequestsPerDayPerProject"}]}]),
        error("Rate limit reached on requests per day (RPD): Limit 200. Please try again in 7m12s."),
        error("You are using a Trial key, which is limited to 1000 API calls / month."),
        error("Monthly limit exceeded"),
        error("Daily quota. Try again in 20s"),
        error("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"),
        error("you have used up your daily free allocation of 10,000 neurons"),
        error("该API达到今日限额", code="1304"),
        error(f"{PLAN} Try again in 23h."),
        error("您的账户已欠费", code="1113"),
        "余额不足",
    ],
)
def test_a_limit_of_a_day_or_of_money_is_not_waited_for(body: str) -> None:
    assert type(classed(429, body)) is QuotaExhausted


@pytest.mark.parametrize("status", [200, 400, 422, 500, 503])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("This server does not support embeddings. Start it with `--embeddings`", WrongTarget),
        ("this model does not support embeddings", WrongTarget),
        ("The model does not support Embeddings API", WrongTarget),
        ("rpc error: code = Unimplemented desc =", WrongTarget),
        ("model 'x' is not an embedding model", WrongTarget),
        ("No models loaded. Please load a model", WrongTarget),
        ("This model does not support specifying dimensions.", WrongTarget),
        ("Model x does not support matryoshka representation", WrongTarget),
        ("input (596 tokens) is too large to process. increase the physical batch size (512)", RowsRefused),
        ("input is too large to process. increase the batch size", RowsRefused),
        ("the input is too big compared to KV size", RowsRefused),
        ("the input length exceeds the context length", RowsRefused),
        ("Requested tokens (596) exceed context window of 512", RowsRefused),
        ("The size of tensor a (600) must match the size of tensor b (512)", RowsRefused),
        ("failed to encode response: json: unsupported value: NaN", RowsRefused),
        ("Invalid 'input': array too long. Expected an array with maximum length 2048", RequestTooLarge),
        ("batch size 50 > maximum allowed batch size 32", RequestTooLarge),
        ("litellm.AuthenticationError: OpenAIException - Incorrect API key provided", CredentialsRefused),
        ("Your account balance is insufficient", QuotaExhausted),
        ("Too many requests, please wait before trying again.", RateLimited),
    ],
)
def test_words_mean_the_same_whatever_the_status(status: int, message: str, expected: type[EmbedError]) -> None:
    assert type(classed(status, error(message))) is expected
    assert type(classed(status, json.dumps({"error": message}))) is expected
    assert type(classed(status, json.dumps({"detail": message}))) is expected


@pytest.mark.parametrize("status", [400, 422, 500, 501, 200])
@pytest.mark.parametrize(
    "body",
    [
        '{"detail": [{"type": "extra_forbidden", "loc": ["body", "dimensions"], "msg": "Extra inputs"}]}',
        '{"object": "error", "message": {"detail": [{"loc": ["body", "dimensions"], "msg": "Extra inputs"}]}}',
        '{"detail": "output_dimension must be one of 256, 512"}',
        error("Unrecognized request argument supplied: dimensions"),
    ],
)
def test_a_refused_width_says_what_to_remove_only_where_one_was_asked_for(status: int, body: str) -> None:
    found = classed(status, body, dimensions=True)

    assert type(found) is WrongTarget
    assert "Remove [embeddings].dim" in found.tip
    assert "[embeddings].dim" not in classed(status, body).tip


def test_a_refused_body_is_quoted_without_the_text_that_stands_in_it() -> None:
    body = '{"detail": [{"loc": ["body", "input"], "msg": "too long", "input": "the text that was sent"}]}'

    assert "HTTP 422: body.input: too long)" in classed(422, body).what


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"success": false, "errors": [{"code": 7003, "message": "No route for that URI"}]}', "No route"),
        ('{"error_code": 336003, "error_msg": "the max input is 16"}', "the max input is 16"),
        ('{"base_resp": {"status_code": 1004, "status_msg": "login fail"}}', "login fail"),
        ('{"error": "Validation", "message": "bad field"}', "Validation: bad field"),
        ('{"error": {"message": "Provider returned error", "metadata": {"raw": "vendor says no"}}}', "vendor says no"),
        ('{"errors": ["first", "second"]}', "first; second"),
        ('{"title": "Forbidden by policy"}', "Forbidden by policy"),
        ('"a mere string"', "a mere string"),
    ],
)
def test_the_servers_words_are_found_wherever_they_stand(body: str, words: str) -> None:
    assert words in classed(400, body).what


def test_an_address_that_is_none_is_told_with_what_may_be_wrong() -> None:
    for status, body in ((404, ""), (405, ""), (200, '{"error": "Unexpected endpoint or method. (POST /embeddings)"}')):
        found = classed(status, body)
        assert "POST https://api.example/embeddings" in found.what
        assert found.tip.startswith("Does it need /v1? ")


def test_what_a_key_may_do_is_told_apart_from_the_key() -> None:
    assert "refused the key, or what it may do (HTTP 403" in classed(403).what
    assert "refused the key (HTTP 401" in classed(401).what


def test_a_text_longer_than_the_model_reads_is_a_rows_fault() -> None:
    body = '{"error": {"message": "This model\'s maximum context length is 8192 tokens, however you requested 9000"}}'

    assert type(classed(400, body)) is RowsRefused


def test_a_quota_that_names_a_wait_is_a_rate_unless_its_code_says_quota() -> None:
    assert type(classed(429, GEMINI_RATE, retry_after="20")) is RateLimited
    assert type(classed(429, OPENAI_QUOTA, retry_after="20")) is QuotaExhausted


def test_a_503_that_names_a_wait_is_waited_for() -> None:
    found = classed(503, retry_after="7")

    assert isinstance(found, RateLimited)
    assert found.retry_after == 7


@pytest.mark.parametrize("words", ["api key not valid", "quota and billing", "model not found", "matryoshka"])
def test_a_refusal_that_quotes_the_text_sent_is_still_a_rows(words: str) -> None:
    body = f'{{"error": {{"message": "{"The input cannot be embedded. " * 6} input: {words}"}}}}'

    assert type(classed(400, body)) is RowsRefused


@given(st.integers(0, 10**9))
def test_a_wait_in_seconds_is_taken_as_it_is(seconds: int) -> None:
    assert retry_after({"retry-after": str(seconds)}, now=NOW.timestamp()) == seconds


@given(st.integers(-(10**6), 10**6))
def test_a_wait_until_a_date_is_the_time_till_then(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after({"retry-after": date}, now=NOW.timestamp()) == max(0, seconds)


@given(st.text(max_size=30))
def test_whatever_stands_there_is_a_wait_or_none(value: str) -> None:
    assert retry_after({"retry-after": value, "retry-after-ms": value}, now=NOW.timestamp()) >= 0


def test_milliseconds_are_finer_and_go_before() -> None:
    assert retry_after({"retry-after": "1", "retry-after-ms": "250"}, now=0) == 0.25


@pytest.mark.parametrize(
    ("reset", "seconds"), [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("soon", 0), ("", 0)]
)
def test_a_used_up_limit_names_its_wait_where_no_retry_after_does(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}

    assert retry_after(headers, now=0) == pytest.approx(seconds)
    assert retry_after({**headers, "x-ratelimit-remaining-requests": "5"}, now=0) == 0
    assert retry_after({**headers, "retry-after": "9"}, now=0) == 9


@given(st.text())
def test_a_quoted_body_is_one_short_printable_line(body: str) -> None:
    quoted = one_line(body)

    assert len(quoted) <= 201
    assert quoted.isprintable()


def test_nothing_that_looks_like_a_key_is_quoted() -> None:
    body = "Incorrect API key sk-abcd****wxyz provided, header Bearer secretsecret, mine: plainkey"

    assert one_line(body, "plainkey") == "Incorrect API key *** provided, header ***, mine: ***"


def test_every_rule_names_its_source() -> None:
    assert all(rule.source and rule.what for rule in RULES)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (429, "Limit of 1000 requests/24h exceeded", QuotaExhausted),
        (429, "1000 requests per 24 hours", QuotaExhausted),
        (429, "limit: 500 calls/day", QuotaExhausted),
        (429, "Tageskontingent erreicht", QuotaExhausted),
        (429, "max 10 texts/1d", QuotaExhausted),
        (429, "10 requests per second", RateLimited),
        (403, "Quota exceeded for quota metric 'Embed requests' and limit 'Embed requests per day'", QuotaExhausted),
        (403, "Quota exceeded for quota metric 'Embed requests' and limit 'Embed requests per minute'", RateLimited),
        (403, "Access denied by the firewall of the day", CredentialsRefused),
    ],
)
def test_a_limit_of_a_day_is_told_from_one_of_a_minute(status: int, message: str, expected: type[EmbedError]) -> None:
    assert type(classed(status, json.dumps({"error": {"message": message}}))) is expected


def test_the_body_of_another_success_than_200_is_not_quoted() -> None:
    refused = classed(201, '{"data": [{"embedding": [0.125, 0.25]}]}')

    assert type(refused) is WrongTarget
    assert "0.125" not in refused.what


@pytest.mark.parametrize(
    ("status", "asked", "reason", "believed"),
    [
        (429, "", "rate limited", 0),
        (429, "9999999", "rate limited", 86_400),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", "endpoint in trouble", 86_400),
        (503, "", "endpoint in trouble", 0),
        (500, "", "endpoint in trouble", 0),
    ],
)
def test_a_reason_says_what_happened_and_a_day_is_believed(status: int, asked: str, reason: str, believed: int) -> None:
    found = classed(status, retry_after=asked)

    assert found.reason == reason
    assert getattr(found, "retry_after", 0) == believed
