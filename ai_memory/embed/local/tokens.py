"""Counts tokens as a model does, without loading the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ai_memory.embed.local.model_files import AGAIN, is_file, reason_of
from ai_memory.errors import EmbedderInitFailed


def token_count(folder: Path | None) -> Callable[[str], int] | None:
    """Return what counts a text's tokens, special ones included, as the model in `folder` does.

    None where there is no folder, or no tokenizer.json in it, the only form that is read without loading a model.

    Raises:
        EmbedderInitFailed: the tokenizer cannot be read.
    """
    file = folder / "tokenizer.json" if folder else None
    if not file or not is_file(file):
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise EmbedderInitFailed(f"{file} cannot be read: {reason_of(error)}.", tip=AGAIN) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)
