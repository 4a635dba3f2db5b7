"""Turns texts into the numbers that an ONNX file takes, by the tokenizer.json of the model and the files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.embed.local.model_files import AGAIN, is_file, reason_of, table
from ai_memory.embed.local.onnx_model import OTHER_ENGINE
from ai_memory.errors import EmbedderInitFailed, RowsRefused
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ai_memory.embed.local.onnx_model import OnnxModel

Numbers = npt.NDArray[np.int64]
_SAID_TWICE = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
"""What tokenizer_config.json says again of the normaliser in tokenizer.json: PyTorch's library goes by the first."""


class TokenText(Frozen):
    """A text as the model reads it: int64, one number a token."""

    ids: Numbers
    kinds: Numbers

    def __len__(self) -> int:
        """Return the number of its tokens."""
        return len(self.ids)


class TokenBatch(Frozen):
    """The texts of one forward pass, padded to the longest: int64, shape (texts, tokens); `mask` is 1 where text is."""

    ids: Numbers
    mask: Numbers
    kinds: Numbers


class TokenReader:
    """Reads texts as one model does; made by `token_reader`."""

    def __init__(self, tokenizer: Tokenizer, filler: int) -> None:
        """Take a tokenizer that cuts as the model wants it, and the number of the token that fills a batch."""
        self._tokenizer, self._filler = tokenizer, filler

    def read(self, texts: Sequence[str]) -> list[TokenText]:
        """Return the tokens of some texts.

        Raises:
            RowsRefused: one of them is not text.
        """
        try:
            found = self._tokenizer.encode_batch(list(texts))
        except Exception as error:  # the library raises plain Exception, TypeError and what Rust panics with
            raise RowsRefused(f"the model cannot read this batch: {reason_of(error)}.") from error
        return [TokenText(np.array(each.ids, np.int64), np.array(each.type_ids, np.int64)) for each in found]

    def together(self, texts: Sequence[TokenText]) -> TokenBatch:
        """Return texts filled up to the longest of them."""
        shape = len(texts), max(map(len, texts))
        ids, mask, kinds = np.full(shape, self._filler, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, each in enumerate(texts):
            ids[row, : len(each)], mask[row, : len(each)], kinds[row, : len(each)] = each.ids, 1, each.kinds
        return TokenBatch(ids, mask, kinds)


def token_reader(model: OnnxModel) -> TokenReader:
    """Return what reads texts as `model` does.

    Raises:
        EmbedderInitFailed: a file of its tokenizer is not there, cannot be read, or says what is not done here.
    """
    file = model.transformer / "tokenizer.json"
    if not is_file(file):
        raise EmbedderInitFailed(
            f"{file} is not there, and the ONNX engines read no other form of a tokenizer.", tip=OTHER_ENGINE
        )
    config = table(model.transformer / "tokenizer_config.json")
    _refuse_left(config, model.transformer)
    _refuse_contradiction(table(file), config, model.transformer)
    tokenizer = _opened(file)
    if model.lower_case:
        _lower(tokenizer)
    tokenizer.enable_truncation(model.max_tokens)
    tokenizer.no_padding()
    return TokenReader(tokenizer, _filler(tokenizer, config, model.transformer))


def _opened(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise EmbedderInitFailed(f"{file} cannot be read: {reason_of(error)}.", tip=AGAIN) from error


def _refuse_left(config: Mapping[str, object], folder: Path) -> None:
    for name in ("padding_side", "truncation_side"):
        if config.get(name, "right") != "right":
            raise EmbedderInitFailed(
                f"{folder}/tokenizer_config.json sets {name} to what the ONNX engines do not do.", tip=OTHER_ENGINE
            )


def _refuse_contradiction(tokenizer: Mapping[str, object], config: Mapping[str, object], folder: Path) -> None:
    normalizer = tokenizer.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        return
    for said, again in _SAID_TWICE.items():
        if said in config and config[said] != normalizer.get(again):
            raise EmbedderInitFailed(
                f"tokenizer.json and tokenizer_config.json in {folder} differ about {said}.", tip=OTHER_ENGINE
            )


def _lower(tokenizer: Tokenizer) -> None:
    """Put texts in lower case before they are read, as sentence_bert_config.json asks for it."""
    from tokenizers.normalizers import Lowercase, Sequence

    before = tokenizer.normalizer
    tokenizer.normalizer = Sequence([Lowercase(), *([before] if before else [])])


def _filler(tokenizer: Tokenizer, config: Mapping[str, object], folder: Path) -> int:
    """Return the number of the token that fills a batch: models count positions by it."""
    named = config.get("pad_token") or table(folder / "special_tokens_map.json").get("pad_token")
    name = named.get("content") if isinstance(named, dict) else named
    number = tokenizer.token_to_id(name) if isinstance(name, str) else None
    if number is None:
        raise EmbedderInitFailed(
            f"the files of the tokenizer in {folder} name no pad_token that it has.", tip=OTHER_ENGINE
        )
    return number
