"""Takes apart what sentence-transformers makes of several texts, and puts texts of other calls together like it.

So each text is read once, whatever company it is computed in. Knows that library's tensors by their names alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Features = dict[str, Any]
"""What sentence-transformers makes of texts: tensors by name, padded to the longest text."""
_MASK = "attention_mask"
_ROWS = frozenset({"input_ids", _MASK, "token_type_ids"})
"""Of these a text has one number a token, and what fills them up is known to the tokenizer."""
_LETTERS_A_TOKEN = 4
"""A guess, for models whose texts are not taken apart: it only says which of them are of about one length."""


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as a model of PyTorch reads it, with its number of `tokens`.

    `rows` has its numbers by name, without padding, and `beside` what is said of the whole batch. Where the model reads
    in a way that is not known here, `rows` is empty, and `text` is read again in its company.
    """

    text: str
    tokens: int
    rows: Mapping[str, list[int]]
    beside: Mapping[str, Any]

    def __len__(self) -> int:
        """Return the number of its tokens."""
        return self.tokens


def apart(texts: Sequence[str], features: Features, tokenizer: Any) -> list[ReadText]:  # noqa: ANN401 - see above
    """Return each of `texts` with its own numbers in `features`."""
    if not _known(features, len(texts), tokenizer):
        return [ReadText(each, len(each) // _LETTERS_A_TOKEN + 1, {}, {}) for each in texts]
    beside = {name: value for name, value in features.items() if name not in _ROWS}
    found = []
    for place, text in enumerate(texts):
        mask = features[_MASK][place].bool()
        rows = {name: features[name][place][mask].tolist() for name in _ROWS & features.keys()}
        found.append(ReadText(text, len(rows[_MASK]), rows, beside))
    return found


def together(texts: Sequence[ReadText], tokenizer: Any) -> Features | None:  # noqa: ANN401 - see above
    """Return texts in one batch, None where one of them has to be read again."""
    if not all(each.rows and each.tokens for each in texts):
        return None
    rows = {name: [each.rows[name] for each in texts] for name in texts[0].rows}
    return {**tokenizer.pad(rows, return_tensors="pt"), **texts[0].beside}


def _known(features: Features, texts: int, tokenizer: Any) -> bool:  # noqa: ANN401 - see above
    """Return whether all that is said of each text are numbers, one a token, which the tokenizer can fill up."""
    tensors = {name: value for name, value in features.items() if hasattr(value, "shape")}
    if not hasattr(tokenizer, "pad") or not {"input_ids", _MASK} <= tensors.keys() <= _ROWS:
        return False
    shape = tensors[_MASK].shape
    return len(shape) == 2 and shape[0] == texts and all(each.shape == shape for each in tensors.values())
