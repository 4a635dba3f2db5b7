"""What a model's configurations say of pooling and of its longest text, as sentence-transformers 2 to 6 write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ai_memory.embed.local.model_files import table

_MOST_TOKENS = 1 << 31
"""A longer limit is none: libraries write 10^30 for it."""
_POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The modes by the switch that older releases wrote for each, in the order in which their vectors are joined."""


def pooling_modes(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the modes whose vectors are joined, as a pooling configuration gives them."""
    mode = config.get("pooling_mode")
    if isinstance(mode, list):
        return tuple(map(str, mode))
    if mode:
        return (str(mode),)
    return tuple(mode for switch, mode in _POOLING_SWITCHES.items() if config.get(switch) is True) or ("mean",)


def token_width(config: Mapping[str, object]) -> int:
    """Return how wide the vector of a token is, as a pooling configuration says it; 0 where it does not."""
    return positive(config.get("embedding_dimension") or config.get("word_embedding_dimension"))


def token_limit(transformer: Path) -> int | None:
    """Return the token limit as sentence-transformers derives it, None where the files do not tell."""
    if configured := positive(table(transformer / "sentence_bert_config.json").get("max_seq_length")):
        return configured if configured <= _MOST_TOKENS else None
    of_tokenizer = positive(table(transformer / "tokenizer_config.json").get("model_max_length"))
    positions = positive(table(transformer / "config.json").get("max_position_embeddings"))
    shorter = min(of_tokenizer, positions)
    return shorter if 0 < shorter <= _MOST_TOKENS else None


def positive(value: object) -> int:
    """Return a whole number above 0, or 0 where `value` is none."""
    return value if type(value) is int and value > 0 else 0
