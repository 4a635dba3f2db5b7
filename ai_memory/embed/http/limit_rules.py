"""What an answer says of limits: of a rate, which is waited for, and of money or a day, for which no wait helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_memory.embed.http.rule import PAY, QUOTA_CODES, RENEWED, TOLD, Rule
from ai_memory.errors import LATER, QuotaExhausted, RateLimited, RequestTooLarge

if TYPE_CHECKING:
    from ai_memory.embed.http.error_body import ErrorBody

LIMIT_RULES: tuple[Rule, ...] = (
    Rule(frozenset({402}), QuotaExhausted, "the account is out of money", PAY, "RFC 9110 15.5.3; OpenRouter, DeepSeek"),
    Rule(
        TOLD,
        QuotaExhausted,
        "the account's quota is used up",
        PAY,
        "OpenAI error codes: 429 insufficient_quota; Alibaba Model Studio: 400 Arrearage; Zhipu: 429 with code 1113",
        codes=QUOTA_CODES,
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
        RateLimited,
        "the endpoint asks for fewer requests",
        LATER,
        "OpenAI: 'requests per min (RPM)'; Gemini: quotaId EmbedContentRequestsPerMinutePerProjectPerModel beside "
        "'check your plan and billing details'; Mistral: 'requests per second'",
        words=("per (?:[0-9]+ )?(?:min|sec)", "perminute", "persecond", " (?:r|t)p[ms] ", " qps ", "concurren"),
        anywhere=True,
    ),
    Rule(
        frozenset({429}),
        QuotaExhausted,
        "the limit of a day or a month is used up",
        RENEWED,
        "OpenAI: 'requests per day (RPD)'; Gemini: quotaId EmbedContentRequestsPerDayPerProjectPerModel, beside a "
        "retryDelay of seconds; Cohere: 'limited to 1000 API calls / month'; gateways: '1000 requests/24h', '/day'",
        words=(
            "per (?:day|week|month)",
            "per(?:day|week|month)",
            " (?:daily|weekly|monthly) ",
            " calls month ",
            "今日|每日",
            " (?:r|t)pd ",
            " tages| pro (?:tag|monat) ",
            " (?:24 ?h(?:rs?|ours?)?|1 ?d(?:ays?)?) ",
            " (?:request|call|token|text|quer(?:y|ie))s? (?:an? )?(?:d|day|week|month) ",
        ),
        anywhere=True,
    ),
    Rule(
        TOLD,
        RateLimited,
        "the endpoint asks for fewer requests",
        LATER,
        "vendors that speak of a rate and of billing in one message; Google APIs: 403 rateLimitExceeded; LiteLLM: 500 "
        "'RateLimitError'; AWS: 400 ThrottlingException 'Too many requests, please wait before trying again.', 'Rate "
        "exceeded'",
        codes=frozenset(
            {
                "rate_limit_exceeded",
                "ratelimitexceeded",
                "userratelimitexceeded",
                "rate_limit_error",
                "throttlingexception",
            }
        ),
        words=("rate ?limit", "too many requests", "throttl", "^ rate exceeded"),
    ),
    Rule(
        frozenset({429}),
        RateLimited,
        "the endpoint asks for fewer requests",
        LATER,
        "Google Cloud's words for a rate, which name no time: 'Resource has been exhausted (e.g. check quota).', "
        "'Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model with base model'",
        words=("^ resource has been exhausted", "^ quota exceeded for aiplatform"),
    ),
    Rule(
        frozenset({429}),
        QuotaExhausted,
        "the account's quota is used up",
        PAY,
        "vendors without a code of their own for it; a wait that is named says it is a rate after all, see classify()",
        words=("quota", "billing", "credit", "balance", "余额", "欠费"),
    ),
    Rule(frozenset({429}), RateLimited, "the endpoint asks for fewer requests", LATER, "RFC 6585 4"),
    Rule(
        TOLD,
        QuotaExhausted,
        "the account is out of money",
        PAY,
        "SiliconFlow: 403 'account balance is insufficient'; xAI: 403 'does not have any credits'; Fireworks: 412 "
        "'Account is suspended'",
        words=(
            "insufficient (?:account )?(?:balance|credit|funds)",
            "balance is (?:insufficient|too low)",
            "have any credits",
            "account (?:\\w+ )?is suspended",
            "余额不足",
            "欠费",
        ),
    ),
)

_QUOTA_CODES = frozenset({"resource_exhausted", "quotaexceeded", "quota_exceeded", "dailylimitexceeded"})
_QUOTA_WORDS = re.compile(
    r" quota (?:\w+ )?(?:exceeded|exhausted|metric) | exceeded (?:\w+ ){0,2}quota | daily limit exceeded "
)


def read_as(status: int, told: ErrorBody, *, within: int) -> int:
    """Return the status under which a refusal is looked up: a 403 of a quota is a 429, as Google's older APIs send."""
    of_quota = status == 403 and (told.codes & _QUOTA_CODES or _QUOTA_WORDS.search(told.says(within=within)))
    return 429 if of_quota else status
