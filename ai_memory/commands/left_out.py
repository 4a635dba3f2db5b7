"""What a search says of the vectors that it could not compare, and of the embedders that gave none for the query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai_memory.actions.compare import LeftOut
from ai_memory.errors import NoEmbedder
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.actions.recall import Found
    from ai_memory.commands.query_embedders import Asked
    from ai_memory.commands.teller import Teller

OTHER_WIDTH_TIP = " Set [embeddings].dim to the width they have, or go to the new one: ai-memory reembed --retarget"
UNKNOWN_SPACE_TIP = " Name the embedder that made those of {space} in [embeddings.previous] of the config file."


def tell_unasked(asked: Asked, teller: Teller) -> None:
    """Say that the configured embedder gave no vector: a warning, or a note where nobody wants any."""
    for error in (each.error for each in asked.failures if each.in_use):
        if isinstance(error, NoEmbedder):
            teller.note(f"Searching by words alone: {error.what}")
        elif asked.vectors:
            teller.warn(f"searching by words alone what is not of {_spaces(asked)}: {error.line()}")
        else:
            teller.warn(f"searching by words alone: {error.line()}")


def tell_left_out(found: Found, asked: Asked, teller: Teller) -> None:
    """Say how many vectors were not compared and why, and how many were without knowing their space."""
    if total := sum(found.left_out.values()):
        reasons = ", ".join(f"{count:,} with {reason.value}" for reason, count in found.left_out.items())
        teller.note(
            f"Not compared with the query's vector ({_spaces(asked)}): {counted(total, 'memory')}, {reasons}."
            f"{''.join(_advice(found, asked))}"
        )
    if found.unproven:
        claiming = [each for each in asked.vectors if each.claims_unstamped] or list(asked.vectors)
        unproven = counted(found.unproven, "vector")
        teller.note(f"Compared without knowing the space: {unproven}, as wide as those of {claiming[0].space}.")


def _spaces(asked: Asked) -> str:
    return " and ".join(dict.fromkeys(each.space for each in asked.vectors))


def _advice(found: Found, asked: Asked) -> Iterator[str]:
    """Yield why embedders of what was left out gave no vector, and what to do."""
    told = set()
    for each in asked.failures:
        if not each.in_use and (each.space in found.other_spaces or not each.space):
            told.add(each.space)
            yield f" {f'Of {printable(each.space)}' if each.space else 'Of the previous embedder'}: {each.error.line()}"
    if unknown := sorted(found.other_spaces.keys() - told, key=lambda space: -found.other_spaces[space]):
        yield UNKNOWN_SPACE_TIP.format(space=printable(unknown[0])) if "" not in told else ""
    if LeftOut.OTHER_WIDTH in found.left_out:
        yield OTHER_WIDTH_TIP
