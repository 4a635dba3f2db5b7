"""Whatever an endpoint, a library or a file says: no key in it, no escape, one line, and not long."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from unicodedata import category, name
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.text.cleaning import EXCERPT, one_line, safe
from ai_memory.text.invisible import escaped, json_escaped
from ai_memory.text.masking import Mask

KEY = "hunter2-plain-Key.Value=99"
HIDDEN = "\u200b\u200d\u2060\ufeff\u00ad\u202e\u2066\u034f\ufe0f\u3164\u115f\u2800\x00\x1b\x7f\x9b\U000e0041\U000e0100"
BLANKS = " \t\n\r\x0b\x0c\x85\u00a0\u2028\u3000"
MARKS = "\u0301\u0336\u20dd"
FORMED = "\u845b\ufa10\u2f08\u31c0\u3042\u231a+\u2049"
"""Ideographs and an emoji, of which there are forms, and what looks like them."""

keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=80)
around = st.text(max_size=40)


def with_inside(inside: str) -> Callable[[str], str]:
    return inside.join


def percent(key: str) -> str:
    return "".join(f"%{byte:02X}" for byte in key.encode())


def json_units(key: str) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in key)


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "lower": str.lower,
    "a half": lambda key: key[: -(-2 * len(key) // 3)],
    "the end": lambda key: key[-8:],
    "in two lines": lambda key: key[:5] + "\n" + key[5:],
    "quoted": quote,
    "percent": percent,
    "percent twice": lambda key: percent(key).replace("%", "%25"),
    "json": json.dumps,
    "json in json": lambda key: json.dumps(json.dumps(key)),
    "json units": json_units,
    "html": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "wide letters": lambda key: "".join(chr(ord(each) + 0xFEE0) for each in key),
    "base64": lambda key: b64encode(key.encode()).decode(),
    "base64 of user and key": lambda key: b64encode(f"user:{key}".encode()).decode(),
    "base64 behind one more": lambda key: urlsafe_b64encode(f"x{key}".encode()).decode().rstrip("="),
    "hex": lambda key: key.encode().hex(),
    "repr": lambda key: "".join(f"\\x{ord(each):02x}" for each in key),
    "hyphens": "-".join,
    **{f"U+{ord(each):04X} inside": with_inside(each) for each in HIDDEN + BLANKS + MARKS},
    "escaped and invisible": with_inside("%E2%80%8B"),
}


def parts(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


@given(keys, st.sampled_from(sorted(DISGUISES)), around, around)
def test_no_disguise_of_a_key_leaves_a_part_of_it(key: str, disguise: str, before: str, after: str) -> None:
    shown = one_line(f"{before} {DISGUISES[disguise](key)} {after}", key)

    assert not parts(shown, 8) & parts(key, 8)
    assert shown.isprintable()
    assert len(shown) <= EXCERPT + 1


@pytest.mark.parametrize("disguise", sorted(DISGUISES))
def test_each_disguise_is_recognised_and_nothing_else_is_masked(disguise: str) -> None:
    shown = one_line(f"the key given was {DISGUISES[disguise](KEY)} here", KEY)

    assert shown.replace('"', "").replace("\\", "") == "the key given was *** here"


@given(keys, st.data())
def test_two_thirds_of_a_key_are_masked(key: str, data: st.DataObject) -> None:
    least = min(8, -(-2 * len(key) // 3))
    at = data.draw(st.integers(0, len(key) - least))

    assert key[at : at + least] not in one_line(f"<{key[at : at + least]}>", key)


@pytest.mark.parametrize(
    "told",
    [
        "sk-abcd****wxyz",
        "gsk_abcdefghij",
        "xai-abcdefghij",
        "key-1234567890",
        "pk-abcdefghijklmnopqrst",
        "AIzaSyAbcdefghij",
        "hf_AbCdEfGhIjKlMnOpQr",
        "pa-abcdef123456",
        "jina_abcdef123456",
        "fw_3ZAbcdefghijkl",
        "csk-abcdefghij",
        "nvapi-abcdefghij",
        "ghp_abcdefghij0123456789",
        "github_pat_abcdefghij",
        "glpat-abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "Basic dXNlcjpwYXNzd29yZA==",
        "Bearer secretsecret",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef",
    ],
)
def test_what_looks_like_a_key_is_masked_whosoever_it_is(told: str) -> None:
    assert one_line(f"refused: {told}, sorry") == "refused: ***, sorry"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("api-key: abcdef", "api-key: ***"),
        ('{"x-api-key": "abcdef"}', '{"x-api-key": "***"}'),
        ("x-goog-api-key=abcdef", "x-goog-api-key=***"),
        ("Authorization: Token abcdef", "Authorization: Token ***"),
        ("GET /v1/models?key=abcdef&x=1", "GET /v1/models?key=***&x=1"),
        ("GET /v1?a=1&access_token=abcdef", "GET /v1?a=1&access_token=***"),
        ("https://user:pass@host/v1", "https://***host/v1"),
        ("https://user:pa/s#s?@host/v1", "https://***host/v1"),
        ("user:secret@host/v1", "***host/v1"),
    ],
)
def test_what_stands_where_a_key_stands_is_masked(told: str, shown: str) -> None:
    assert one_line(told) == shown


@pytest.mark.parametrize(
    "told",
    [
        "Basic authentication is required",
        "the model key-value-store is not served",
        "no API key: env OPENAI_API_KEY is not set",
        "write to admin@example.com about https://host:8080/v1/models",
        "a risk-assessment of task-force hf_transfer",
        "context length 8192, you sent 9001 tokens",
        "sentence-transformers/all-MiniLM-L6-v2 in projects/key-decisions",
    ],
)
def test_ordinary_words_stay(told: str) -> None:
    assert one_line(told, "another-key-of-ours") == told


@pytest.mark.parametrize("unit", ["a", "%41\\u0041 a\u0301 \u200b", "x:", "://a:", "pk-", "eyJabcdefgh-", "hunter2-"])
def test_of_megabytes_of_words_only_the_beginning_is_read(unit: str) -> None:
    assert one_line(unit * 2_000_000 + KEY, KEY) == one_line(unit * 8_000, KEY)


def test_the_form_of_an_ideograph_stays_and_no_other_letter_has_one() -> None:
    assert escaped("\u845b\U000e0100") == "\u845b\U000e0100"
    assert escaped("\u08a0\U000e0100x") == "\u08a0\\U000e0100x"


@given(around, st.sampled_from(["", *FORMED]), st.sampled_from(HIDDEN + "\u202a\u2067\r\n\u2028\ud800\udcff"))
def test_nothing_hidden_is_shown_of_our_own_words(text: str, last: str, hidden: str) -> None:
    before = f"{text}{last}".replace(hidden, "")
    shown = safe(f"{before}{hidden}x", Mask())

    assert hidden not in shown or is_its_form(before[-1:], hidden)
    assert len(shown.splitlines()) <= 1


def is_its_form(before: str, hidden: str) -> bool:
    """Return whether it selects a form of the emoji or of the ideograph before it, to which it belongs then."""
    if hidden == "\ufe0f":
        return bool(before) and (category(before) in {"So", "Sm", "Sk"} or before in "\u203c\u2049\u2139\u3030\u303d")
    return hidden == "\U000e0100" and name(before or " ", "").startswith(("CJK UNIFIED ", "CJK COMPATIBILITY IDEO"))


@pytest.mark.parametrize("text", ["👩‍👩‍👧 ❤️‍🔥 🏳️‍🌈 1️⃣ 👩🏽‍💻 ™️", "日本語 한국어 עברית ไทย"])
def test_emoji_and_scripts_stay_whole(text: str) -> None:
    assert escaped(text, names=True) == escaped(text) == json_escaped(text) == text


def test_a_texts_own_joiners_and_blanks_stay_and_a_names_are_shown() -> None:
    text = "\u0645\u06cc\u200c\u062e\u0648\u00a0x"

    assert escaped(text) == text
    assert escaped(text, names=True) == "\u0645\u06cc\\u200c\u062e\u0648\\xa0x"
    assert escaped("ad\u200cmin pay\u202epal") == "ad\\u200cmin pay\\u202epal"


@given(st.text(st.characters()))
def test_json_reads_back_as_the_same_text_and_hides_nothing(text: str) -> None:
    line = json_escaped(json.dumps(text, ensure_ascii=False))

    assert json.loads(line) == text
    assert not set(line) & set("\x7f\x9b\u202e\u2066\u2028\u200f\ufeff\ud800")
