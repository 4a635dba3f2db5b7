"""What an HTTP answer without vectors means: one table from status, code and words to an error class."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ai_memory.cleaning import one_line
from ai_memory.embed.rate_headers import retry_after
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

_CREDENTIALS = re.compile(r"//.*@")
_BEHIND_PATH = re.compile(r"[?#].*", re.DOTALL)
_WORDS_WITHIN = 160

_MOST = re.compile(r"(?:max\w*|at most|larger than|up to|limit)\b[^\d.;]{0,40}?([0-9][0-9,]{0,9})")
_OF_REQUEST = ("batch", "request", "total", "overall", "submitted")
_SIZE_WORDS = (("token", "tokens"), ("byte", "bytes"), ("input", "inputs"), ("batch", "inputs"), ("array", "inputs"))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: status, body and headers (names in lower case)."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes are."""
        return self.body.decode("utf-8-sig", "replace")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table; the first that fits decides.

    `codes` are compared with the error's code, type, status and reason; `words` are looked for at
    the beginning of its message (further on it may quote the text that was sent). Without either,
    the status alone decides.
    """

    statuses: frozenset[int]
    error: type[EmbedError]
    what: str
    tip: str
    source: str
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


_PAY = "Top up the account or raise its limit, then run the same command again."
_KEY = "Check the key: ai-memory config show says where it comes from."
_MODEL = "Check [embeddings].model and base_url: ai-memory config show says where they come from."
_LATER = "Run the same command again later."
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "arrearage", "insufficient_balance"}
)
_4XX = frozenset(range(400, 500))
_5XX = frozenset(range(500, 600))

_OTHERWISE = Rule(_4XX, WrongTarget, "the endpoint does not take such requests", _MODEL, "RFC 9110 15.5")
"""Also what a status means that no rule names."""

RULES: tuple[Rule, ...] = (
    Rule(
        frozenset(range(400, 600)) - {401, 402, 403, 429},
        Breakdown,
        "the endpoint's model broke down",
        _LATER,
        "LM Studio: 400 'Model unloaded or crashed.', 400 'The model has crashed without additional information.', "
        "'Model is unloaded.'; TEI: 424 'Backend error: CUDA_ERROR_OUT_OF_MEMORY'; PyTorch: 'CUDA out of memory. Tried "
        "to allocate'; Ollama: 500 'llama runner process has terminated'",
        words=(
            "unloaded or crashed",
            "has crashed",
            "model is unloaded",
            "model was unloaded",
            "runner process has terminated",
            "runner process no longer running",
            "out of memory",
            "out_of_memory",
        ),
    ),
    Rule(
        frozenset({402}), QuotaExhausted, "the account is out of money", _PAY, "RFC 9110 15.5.3; OpenRouter, DeepSeek"
    ),
    Rule(
        _4XX,
        QuotaExhausted,
        "the account's quota is used up",
        _PAY,
        "OpenAI error codes: 429 insufficient_quota; Alibaba Model Studio: 400 Arrearage",
        codes=_QUOTA_CODES,
    ),
    Rule(
        frozenset({429}),
        RequestTooLarge,
        "the request is larger than the rate limit",
        "",
        "OpenAI: 429 'Request too large for … Limit …, Requested …': no wait helps, a smaller batch does",
        words=("request too large",),
    ),
    Rule(
        frozenset({429}),
        QuotaExhausted,
        "the account's quota is used up",
        _PAY,
        "vendors without a code of their own for it; a Retry-After says it is a rate after all, see classify()",
        words=("quota", "billing", "credit", "balance"),
    ),
    Rule(frozenset({429}), RateLimited, "the endpoint asks for fewer requests", _LATER, "RFC 6585 4"),
    Rule(frozenset({401}), CredentialsRefused, "the endpoint refused the key", _KEY, "RFC 9110 15.5.2"),
    Rule(
        frozenset({403}),
        CredentialsRefused,
        "the endpoint refused the key, or what it may do",
        _KEY,
        "RFC 9110 15.5.4; OpenAI: 'You are not allowed to generate embeddings from this model'; a firewall before it "
        "refuses texts so, see may_be_of_texts()",
    ),
    Rule(
        frozenset({400}),
        CredentialsRefused,
        "the endpoint refused the key",
        _KEY,
        "Gemini API troubleshooting: 400 INVALID_ARGUMENT, reason API_KEY_INVALID",
        codes=frozenset({"api_key_invalid", "invalid_api_key"}),
        words=("api key not valid",),
    ),
    Rule(
        _4XX,
        WrongTarget,
        "the endpoint does not serve this model",
        _MODEL,
        "OpenAI error codes: model_not_found; Ollama: 404 'model … not found, try pulling it first'",
        codes=frozenset({"model_not_found", "model_not_supported", "unknown_model"}),
    ),
    Rule(
        frozenset({400, 422}),
        WrongTarget,
        "the endpoint does not offer vectors of this width for this model",
        "Correct or remove [embeddings].dim.",
        "vLLM: 400 '… does not support matryoshka representation, changing output dimensions …'",
        words=("matryoshka", "does not support specifying dimensions", "output dimensions"),
    ),
    Rule(
        frozenset({404, 405, 410}), WrongTarget, "there is no such model or no embeddings here", _MODEL, "RFC 9110 15.5"
    ),
    Rule(
        frozenset({408, 425}), TransientFailure, "the endpoint gave up waiting", _LATER, "RFC 9110 15.5.9, RFC 8470 5.2"
    ),
    Rule(
        frozenset({409, 423, 424, 498, 499}),
        Breakdown,
        "the endpoint broke down over the request",
        _LATER,
        "RFC 9110 15.5.10, RFC 4918 11.3, 11.4; TEI: 424 'Backend error'; nginx: 499; for now, or by size",
    ),
    Rule(frozenset({413}), RequestTooLarge, "the request is too large", "", "RFC 9110 15.5.14"),
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
        frozenset({400, 422}),
        RowsRefused,
        "the endpoint refused the texts",
        "",
        "RFC 9110 15.5.1, 15.5.21",
    ),
    Rule(
        frozenset({500}),
        RowsRefused,
        "the endpoint cannot embed a text",
        "",
        "llama.cpp server: 500 'input is too large to process'; Ollama: 500 'unsupported value: NaN', 'context length'",
        words=("input is too large", "unsupported value: nan", "exceeds the context length", "exceeds maximum context"),
    ),
    Rule(
        frozenset({500, 502, 504, 520, 524}),
        Breakdown,
        "the endpoint is in trouble",
        _LATER,
        "RFC 9110 15.6.1, 15.6.3, 15.6.5; Cloudflare: 520, 524; 503 is an overload, which no smaller request ends",
    ),
    Rule(_5XX, TransientFailure, "the endpoint is in trouble", _LATER, "RFC 9110 15.6"),
    _OTHERWISE,
    Rule(
        frozenset(range(300, 400)),
        WrongTarget,
        "the endpoint redirects, which is not followed",
        "Set [embeddings].base_url to the address it names.",
        "RFC 9110 15.4: the key is for the configured host only",
    ),
)


def classify(answer: Answer, *, host: str, now: float, key: str = "") -> EmbedError:
    """Return the error that an answer without vectors means; `now` is Unix time, for a Retry-After date."""
    codes, message = _told(answer.text)
    wait = retry_after(answer.headers, now=now)
    rule = next((rule for rule in RULES if _fits(rule, answer.status, codes, message)), _OTHERWISE)
    what = f"{host}: {rule.what} (HTTP {answer.status}{_elsewhere(answer, key)}{_quote(message, key)})."
    if (
        rule.error is RateLimited
        or (wait and issubclass(rule.error, TransientFailure))
        or _only_a_rate(rule, codes, wait)
    ):
        return RateLimited(what, tip=_LATER, http_status=answer.status, retry_after=wait)
    if rule.error is RequestTooLarge:
        unit, most = _named_size(message, answer.status)
        return RequestTooLarge(what, http_status=answer.status, unit=unit, most=most)
    return rule.error(what, tip=rule.tip, http_status=answer.status)


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
    403, as they are set up with 404, 405, 406, 418, 451 or 501.
    """
    return error.http_status != 401 and isinstance(error, CredentialsRefused | WrongTarget)


def mentions_base64(answer: Answer) -> bool:
    """Return whether a refusal complains of the asked encoding."""
    if answer.status < 400:
        return False
    message = answer.text.lower()
    return "encoding_format" in message or "base64" in message


def inner_status(answer: object) -> int:
    """Return the error status inside a 200 answer, 0 where it is none (OpenRouter wraps vendors' errors so)."""
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if type(code) is int and 400 <= code < 600 else 0


def _fits(rule: Rule, status: int, codes: frozenset[str], message: str) -> bool:
    if status not in rule.statuses:
        return False
    if not rule.codes and not rule.words:
        return True
    beginning = message[:_WORDS_WITHIN].lower()
    return bool(rule.codes & codes) or any(words in beginning for words in rule.words)


def _only_a_rate(rule: Rule, codes: frozenset[str], wait: float) -> bool:
    """Gemini says "quota" of a rate too: an answer that names a wait and no quota code is one."""
    return rule.error is QuotaExhausted and bool(rule.words) and wait > 0 and not codes & _QUOTA_CODES


def _elsewhere(answer: Answer, key: str) -> str:
    """Return where a redirect leads, without what may be secret in an address."""
    location = answer.headers.get("location", "") if 300 <= answer.status < 400 else ""
    shown = one_line(_CREDENTIALS.sub("//", _BEHIND_PATH.sub("", location)), key)
    return f" to {shown}" if shown else ""


def _quote(message: str, key: str) -> str:
    quoted = one_line(message, key).rstrip(".")
    return f": {quoted}" if quoted else ""


def _told(body: str) -> tuple[frozenset[str], str]:
    """Return the codes of an error body in lower case, and its message; the body itself where it is not JSON."""
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return frozenset(), body
    first = parsed[0] if isinstance(parsed, list) and parsed else parsed
    if not isinstance(first, dict):
        return frozenset(), body
    error = first.get("error", first)
    if isinstance(error, str):
        return frozenset(_codes(first)), error
    table = error if isinstance(error, dict) else first
    message = next((table[name] for name in ("message", "detail", "error") if isinstance(table.get(name), str)), body)
    return frozenset(_codes(table)), message


def _codes(table: Mapping[str, object]) -> Iterator[str]:
    details = table.get("details")
    for level in (table, *(details if isinstance(details, list) else ())):
        if isinstance(level, dict):
            yield from (str(level[name]).lower() for name in ("code", "type", "status", "reason") if level.get(name))
