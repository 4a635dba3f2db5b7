"""What an HTTP answer without vectors means: one table from status, code and words to an error class.

A refusal is read alike whatever its status: servers tell the same with 400, with 500, and with 200.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.embed.http import error_body
from ai_memory.embed.http.key_rules import KEY_RULES
from ai_memory.embed.http.limit_rules import LIMIT_RULES, read_as
from ai_memory.embed.http.rate_headers import retry_after
from ai_memory.embed.http.rule import (
    ADDRESS,
    DIM,
    FAILED,
    MODEL,
    PAY,
    QUOTA_CODES,
    REFUSED,
    TOLD,
    Rule,
)
from ai_memory.errors import (
    IN_TROUBLE,
    LATER,
    AnswerViolation,
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
from ai_memory.text import nesting
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.embed.http.answer import Answer, Asked
    from ai_memory.embed.http.error_body import ErrorBody

_CREDENTIALS = re.compile(r"//.*@")
_BEHIND_PATH = re.compile(r"[?#].*", re.DOTALL)
_WORDS_WITHIN = 160
_SHORT = 1 << 12

_MOST = re.compile(r"(?:max\w*|at most|larger than|up to|limit)\b[^\d.;]{0,40}?([0-9][0-9,]{0,9})")
_OF_REQUEST = ("batch", "request", "total", "overall", "submitted")
_SIZE_WORDS = (("token", "tokens"), ("byte", "bytes"), ("input", "inputs"), ("batch", "inputs"), ("array", "inputs"))


_OTHERWISE = Rule(REFUSED, WrongTarget, "the endpoint does not take such requests", ADDRESS, "RFC 9110 15.5")
"""Also what a status means that no rule names."""

RULES: tuple[Rule, ...] = (
    *LIMIT_RULES,
    *KEY_RULES,
    Rule(
        TOLD - {401, 402, 403, 429},
        Breakdown,
        "the endpoint's model broke down",
        LATER,
        "LM Studio: 400 'Model unloaded or crashed.', 400 'The model has crashed without additional information.', "
        "'Model is unloaded.'; TEI: 424 'Backend error: CUDA_ERROR_OUT_OF_MEMORY'; PyTorch: 'CUDA out of memory. Tried "
        "to allocate'; Ollama: 500 'llama runner process has terminated'",
        words=(
            "unloaded or crashed",
            "has crashed",
            "model (?:is|was) unloaded",
            "runner process (?:has terminated|no longer running)",
            "out of memory",
        ),
    ),
    Rule(
        TOLD,
        WrongTarget,
        "the endpoint does not serve this model",
        MODEL,
        "OpenAI error codes: model_not_found; Ollama: 404 'model … not found, try pulling it first'; Mistral: 400 "
        "invalid_model; OpenRouter: 400 '… is not a valid model ID'; LM Studio: 'No models loaded'; LocalAI: 500 "
        "'could not load model'",
        codes=frozenset({"model_not_found", "model_not_supported", "unknown_model", "invalid_model"}),
        words=("^ model not (?:found|exist)", "is not a valid model id", "^ no models? loaded", "could not load model"),
    ),
    Rule(
        TOLD,
        WrongTarget,
        "the endpoint does not offer vectors of this width for this model",
        DIM,
        "OpenAI: 400 'This model does not support specifying dimensions'; vLLM: 400 '… does not support matryoshka "
        "representation, changing output dimensions …'",
        words=("matryoshka", "does not support specifying dimensions", "output dimensions"),
    ),
    Rule(
        TOLD,
        WrongTarget,
        "the endpoint does not take a width for this model",
        DIM,
        "Mistral: 422 'body.dimensions: Extra inputs are not permitted'; Voyage: 400 'output_dimension must be one of'",
        words=("dimension",),
        of_width=True,
    ),
    Rule(
        TOLD,
        WrongTarget,
        "the server or its model makes no embeddings",
        MODEL,
        "llama.cpp: 501 'This server does not support embeddings'; Ollama: 500 'this model does not support "
        "embeddings'; vLLM: 400 'does not support Embeddings API'; LocalAI: 500 'rpc error: code = Unimplemented'",
        words=(
            "(?:does not|doesn t) support (?:the )?embedding",
            "embeddings? (?:is|are) not (?:supported|enabled)",
            "is not an embedding model",
            "code unimplemented",
        ),
    ),
    Rule(
        frozenset({501}), WrongTarget, "the server cannot do what is asked of it", MODEL, "RFC 9110 15.6.2; llama.cpp"
    ),
    Rule(
        frozenset({404, 405, 410}),
        WrongTarget,
        "there is no such model or no embeddings here",
        ADDRESS,
        "RFC 9110 15.5",
    ),
    Rule(
        frozenset({200}),
        WrongTarget,
        "there are no embeddings at this address",
        ADDRESS,
        "LM Studio: 200 'Unexpected endpoint or method. (POST /embeddings)'",
        words=("unexpected endpoint", "^ not found"),
    ),
    Rule(
        frozenset({408, 425}), TransientFailure, "the endpoint gave up waiting", LATER, "RFC 9110 15.5.9, RFC 8470 5.2"
    ),
    Rule(
        frozenset({409, 423, 424, 498, 499}),
        Breakdown,
        "the endpoint broke down over the request",
        LATER,
        "RFC 9110 15.5.10, RFC 4918 11.3, 11.4; TEI: 424 'Backend error'; nginx: 499; for now, or by size",
    ),
    Rule(frozenset({413}), RequestTooLarge, "the request is too large", "", "RFC 9110 15.5.14"),
    Rule(
        FAILED | {200, 400, 422},
        RowsRefused,
        "the endpoint cannot embed a text",
        "",
        "llama.cpp: 500 'input (596 tokens) is too large to process. increase the physical batch size'; LM Studio: "
        "'too big compared to KV size'; Ollama: 500 'unsupported value: NaN', 'context length'; llama-cpp-python: 500 "
        "'exceed context window'; PyTorch: 'must match the size of tensor', 'index out of range in self'",
        words=(
            "is too large to process",
            "input is too (?:large|long)",
            "too big compared to",
            "(?:text|prompt|sequence) (?:is )?too long",
            "unsupported value nan",
            "context (?:length|size|window)",
            "maximum (?:context|input|sequence)",
            "(?:longer|larger|greater) than (?:the )?(?:max|context)",
            "must have less than [0-9]+ tokens",
            "must match the size of tensor",
            "index out of range in self",
        ),
    ),
    Rule(
        frozenset({400, 422}),
        RequestTooLarge,
        "the request is too large",
        "",
        "OpenAI: 'array too long', 'maximum request size is 300000 tokens per request'; Mistral: 'Too many tokens in "
        "batch. Max is 16384'; Gemini: 'at most 100 requests can be in one batch'; Alibaba: 'batch size is invalid, it "
        "should not be larger than 10'; Voyage: 'max allowed tokens per submitted batch is 120000'",
        codes=frozenset({"max_tokens_per_request"}),
        words=("batch", "tokens per request", "too many inputs", "array too long", "too many texts", "tokens overall"),
    ),
    Rule(
        FAILED | {200},
        RequestTooLarge,
        "the request is too large",
        "",
        "the same words from proxies that know no status but 500: LiteLLM, one-api",
        codes=frozenset({"max_tokens_per_request"}),
        words=(
            "tokens per request",
            "too many (?:inputs|texts)",
            "array too long",
            "tokens overall",
            "batch size (?:\\w+ ){0,4}(?:max|exceed|larger|greater|limit|invalid)",
            "max(?:imum)? (?:allowed )?batch size",
            "requests can be in one batch",
        ),
    ),
    Rule(
        frozenset({400, 422}),
        RowsRefused,
        "the endpoint refused the texts",
        "",
        "RFC 9110 15.5.1, 15.5.21",
    ),
    Rule(
        frozenset({500, 502, 504, 520, 524}),
        Breakdown,
        "the endpoint is in trouble",
        LATER,
        "RFC 9110 15.6.1, 15.6.3, 15.6.5; Cloudflare: 520, 524",
    ),
    Rule(FAILED, TransientFailure, "the endpoint is in trouble", LATER, "RFC 9110 15.6; Envoy: 503 for a crash, too"),
    Rule(
        frozenset({200}),
        AnswerViolation,
        "the endpoint sent an error instead of vectors",
        "Look at that server and its model, then run the same command again.",
        "OpenRouter, LM Studio, Baidu, MiniMax: errors with 200",
    ),
    _OTHERWISE,
    Rule(
        frozenset(range(300, 400)),
        WrongTarget,
        "the endpoint redirects, which is not followed",
        "Set [embeddings].base_url to the address it names.",
        "RFC 9110 15.4: the key is for the configured host only",
    ),
)

_LONGEST_RATE = 3_600.0
"""A quota that names a wait is a rate; one that names a longer wait, in seconds, is of a day or a month."""


def refusal(answer: Answer, *, asked: Asked, now: float) -> EmbedError | None:
    """Return the error that an answer tells, also inside a 200; None where it may have vectors.

    `now` is Unix time, for a Retry-After date.
    """
    if answer.status != 200:
        return classify(answer, asked=asked, now=now)
    # Vectors are long and errors are short: a long answer is parsed after its slot was given back.
    try:
        with nesting.bounded():
            told: object = json.loads(answer.text) if len(answer.body) < _SHORT else None
    except ValueError:
        return None
    if status := error_body.status_within(told):
        return classify(replace(answer, status=status), asked=asked, now=now)
    # Words in any other place are an error where the table knows them.
    found = classify(answer, asked=asked, now=now) if error_body.has_words(told) else None
    return None if type(found) is AnswerViolation else found


def classify(answer: Answer, *, asked: Asked, now: float) -> EmbedError:
    """Return the error that an answer without vectors means; `now` is Unix time, for a Retry-After date."""
    told = error_body.read(answer.text)
    wait = retry_after(answer.headers, now=now) or told.wait
    status = read_as(answer.status, told, within=_WORDS_WITHIN)
    rule = next((rule for rule in RULES if _fits(rule, status, told, asked)), _OTHERWISE)
    # The body of a 201 may be vectors.
    quoted = "" if 200 < status < 300 else _quote(told.message, asked.key)
    where = f"HTTP {answer.status}{_elsewhere(answer, asked)}{quoted}"
    what = f"{asked.host}: {rule.what} ({where})."
    trouble = issubclass(rule.error, TransientFailure) and rule.error is not RateLimited
    if rule.error is RateLimited or (wait and trouble) or _only_a_rate(rule, told, wait):
        limited = RateLimited(what, tip=LATER, http_status=answer.status, retry_after=wait)
        return _in_trouble(limited) if trouble else limited
    if rule.error is RequestTooLarge:
        unit, most = _named_size(told.message, answer.status)
        return RequestTooLarge(what, http_status=answer.status, unit=unit, most=most)
    tip = f"{asked.hint} {rule.tip}".strip() if rule.tip == ADDRESS else rule.tip
    if rule.error is WrongTarget:
        what = f"{asked.host}: {rule.what} ({where}){_address(asked)}."
    error = rule.error(what, tip=tip, http_status=answer.status)
    return _in_trouble(error) if trouble else error


def _in_trouble(error: EmbedError) -> EmbedError:
    """Return the error of an endpoint that is there and says itself that it cannot, for now."""
    error.reason = IN_TROUBLE
    return error


def _named_size(message: str, status: int) -> tuple[str, int]:
    """Return what a refusal for size counts, and the most of it: empty and 0 where it does not say."""
    beginning = message[:_WORDS_WITHIN].lower()
    unit = next((unit for word, unit in _SIZE_WORDS if word in beginning), "")
    most = _MOST.search(beginning)
    if status == 413 and unit != "inputs" and not any(word in beginning for word in _OF_REQUEST):
        # As many tokens as one text may have (TEI: 413 "`inputs` must have less than 512 tokens").
        return "", 0
    return unit, int(most[1].replace(",", "")) if most and unit else 0


def may_be_of_texts(error: EmbedError) -> bool:
    """Return whether a refusal may be one of the texts, although its status says another thing.

    Firewalls and content filters refuse some texts so under a key and an address with which others pass: mostly with
    403, as they are set up with 404, 405, 406, 418, 451 or 501, or lead to a page of theirs.
    """
    of_status = (error.http_status or 0) > 200 and error.http_status != 401
    return of_status and isinstance(error, CredentialsRefused | WrongTarget)


def _fits(rule: Rule, status: int, told: ErrorBody, asked: Asked) -> bool:
    if status not in rule.statuses or (rule.of_width and not asked.dimensions):
        return False
    if not rule.codes and not rule.words:
        return True
    said = told.says(within=0 if rule.anywhere else _WORDS_WITHIN)
    return bool(rule.codes & told.codes) or any(re.search(words, said) for words in rule.words)


def _only_a_rate(rule: Rule, told: ErrorBody, wait: float) -> bool:
    """Gemini says "quota" of a rate too: an answer that names a wait and no quota code is one."""
    of_quota = rule.error is QuotaExhausted and rule.tip == PAY and bool(rule.words)
    return of_quota and 0 < wait <= _LONGEST_RATE and not told.codes & QUOTA_CODES


def _address(asked: Asked) -> str:
    """Return the address that was asked, for whoever has to correct it."""
    return f"; POST {one_line(asked.url, asked.key)}" if asked.url else ""


def _elsewhere(answer: Answer, asked: Asked) -> str:
    """Return where a redirect leads, without what may be secret in an address."""
    location = answer.headers.get("location", "") if 300 <= answer.status < 400 else ""
    shown = one_line(_CREDENTIALS.sub("//", _BEHIND_PATH.sub("", location)), asked.key)
    return f" to {shown}" if shown else ""


def _quote(message: str, key: str) -> str:
    quoted = one_line(message, key).rstrip(".")
    return f": {quoted}" if quoted else ""
