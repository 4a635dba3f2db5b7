"""What an answer says of the key, and of what it may do: no wait and no other request helps."""

from __future__ import annotations

from ai_memory.embed.http.rule import KEY, MAY, TOLD, Rule
from ai_memory.errors import CredentialsRefused

KEY_RULES: tuple[Rule, ...] = (
    Rule(frozenset({401}), CredentialsRefused, "the endpoint refused the key", KEY, "RFC 9110 15.5.2"),
    Rule(
        frozenset({403}),
        CredentialsRefused,
        "the endpoint refused the key, or what it may do",
        MAY,
        "RFC 9110 15.5.4; OpenAI: 403 'You are not allowed to generate embeddings from this model'",
    ),
    Rule(
        TOLD,
        CredentialsRefused,
        "the endpoint refused the key",
        KEY,
        "Gemini API troubleshooting: 400 INVALID_ARGUMENT, reason API_KEY_INVALID; LiteLLM: 500 'AuthenticationError'; "
        "proxies that know no status but 500 or 200: 'Unauthorized', 'UNAUTHENTICATED' (gRPC)",
        codes=frozenset(
            {"api_key_invalid", "invalid_api_key", "authentication_error", "unauthorized", "unauthenticated"}
        ),
        words=(
            "api key not valid",
            "(?:incorrect|invalid|missing|no) api key",
            "authenticationerror",
            "^ (?:\\w+ ){0,3}(?:unauthori[sz]ed|unauthenticated) ",
            "^ (?:\\w+ ){0,3}(?:authentication (?:failed|required)|not authenticated) ",
            "^ (?:invalid|expired|missing) (?:\\w+ )?(?:token|credentials) ",
        ),
    ),
)
