"""The fastest engine that is installed and shows that it computes what the model means.

An ONNX file is a copy of a model that somebody made, and each library computes it in its own way. So an engine is
believed when it gives a few texts the vectors that they have: those that the database knows of its target's witness
texts, else those that PyTorch computes. What disagrees is not used, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ai_memory.errors import EmbedderInitFailed, RowsRefused
from ai_memory.frozen import Frozen
from ai_memory.vectors.checks import cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import Engine, ModelFacts
    from ai_memory.vectors.target import Vectors

SAME = 0.99999
"""The least cosine of two engines' vectors of a text: what rounding leaves is 0.9999999."""
LONG = " ".join(WITNESS_TEXTS * 40)
"""Longer than a model reads: it is cut, by each engine after the same token."""
REFERENCE = "torch"
_BY_WITNESS = "agrees with the database's witness texts"
_BY_REFERENCE = f"agrees with {REFERENCE}"
_BY_NOTHING = f"compared with nothing: {REFERENCE} is not installed and no vectors of the target are known"


class Remembered(Protocol):
    """Whether an engine was compared with the reference by an earlier process."""

    def is_there(self) -> bool:
        """Return whether it agreed."""

    def keep(self, cosine: float) -> None:
        """Keep that it agreed."""


class Candidate(Frozen):
    """An engine that is installed, by the name that a user gives it."""

    name: str
    engine: Engine[Any]

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with it."""
        return self.name == REFERENCE


class Knowledge(Frozen):
    """What an engine can be compared with.

    `witness` returns the vectors that the witness texts have in the target, None where no database has them.
    `remembered` is asked with an engine's name and release. `tell` hears what is not used, and why.
    """

    witness: Callable[[], Vectors | None]
    remembered: Callable[[str], Remembered]
    tell: Callable[[str], None]


class AutoEngine:
    """The first of some engines that agrees, chosen by the first call."""

    def __init__(self, candidates: Sequence[Candidate], knowledge: Knowledge) -> None:
        """Keep the engines, the fastest first; nothing is loaded yet."""
        self._candidates = candidates
        self._knowledge = knowledge
        self._chosen: Engine[Any] | None = None
        self._why = ""

    @property
    def device(self) -> str:
        """What computes; "" before one is chosen."""
        return self._chosen.device if self._chosen else ""

    def facts(self) -> ModelFacts:
        """Return what the loaded model is, and which engine computes it.

        Raises:
            EmbedderInitFailed: none of the engines can be used; each is named with its reason.
        """
        facts = self._engine().facts()
        return replace(facts, engine=f"{facts.engine} ({self._why})" if self._why else facts.engine)

    def tokenize(self, texts: Sequence[str]) -> Sequence[Sized]:
        """Return texts as the model reads them.

        Raises:
            RowsRefused: the model cannot read one of them.
        """
        return self._engine().tokenize(texts)

    def run(self, texts: Sequence[Sized]) -> Vectors:
        """Return what the model computes in one forward pass: float32, shape (n, dim of the model), in order.

        Raises:
            RowsRefused: the model cannot take them.
        """
        return self._engine().run(texts)

    def close(self) -> None:
        """Let go of the model; another call loads that of the same engine again."""
        if self._chosen:
            self._chosen.close()

    def _engine(self) -> Engine[Any]:
        if self._chosen is None:
            self._chosen, self._why = self._choose()
        return self._chosen

    def _choose(self) -> tuple[Engine[Any], str]:
        refused: list[EmbedderInitFailed] = []
        for each in self._candidates:
            try:
                why = self._shown(each)
            except EmbedderInitFailed as error:
                each.engine.close()
                refused.append(error)
                if each is not self._candidates[-1]:
                    self._knowledge.tell(f"The engine {each.name} is not used: {error.what}")
            else:
                return each.engine, why
        if len(refused) == 1:
            raise refused[0]
        raise EmbedderInitFailed(" ".join(error.what for error in refused), tip=refused[-1].tip)

    def _shown(self, candidate: Candidate) -> str:
        """Return what an engine agrees with.

        Raises:
            EmbedderInitFailed: it cannot be loaded, or does not agree.
        """
        engine = candidate.engine
        facts = engine.facts()
        if candidate.is_reference:
            return ""
        known = self._knowledge.witness()
        if known is not None:
            computed = _computed(engine, WITNESS_TEXTS)[:, : known.shape[1]]
            _require_same(candidate, computed, known, "the database knows")
            return _BY_WITNESS
        remembered = self._knowledge.remembered(facts.engine)
        if remembered.is_there():
            return _BY_REFERENCE
        reference = next((each.engine for each in self._candidates if each.is_reference), None)
        if reference is None:
            _require_same(candidate, _together(engine), _alone(engine, _TEXTS), "each has by itself")
            return _BY_NOTHING
        remembered.keep(_require_same(candidate, _together(engine), _together(reference), f"{REFERENCE} computes"))
        reference.close()
        return _BY_REFERENCE


_TEXTS = (*WITNESS_TEXTS, LONG)


def _together(engine: Engine[Any]) -> Vectors:
    return _computed(engine, _TEXTS)


def _alone(engine: Engine[Any], texts: Sequence[str]) -> Vectors:
    return np.concatenate([_computed(engine, [text]) for text in texts])


def _computed(engine: Engine[Any], texts: Sequence[str]) -> Vectors:
    try:
        return engine.run(engine.tokenize(texts))
    except RowsRefused as error:
        raise EmbedderInitFailed(error.what, tip=error.tip) from error


def _require_same(candidate: Candidate, computed: Vectors, known: Vectors, whose: str) -> float:
    """Return the least cosine of an engine's vectors with those that are known.

    Raises:
        EmbedderInitFailed: it is too low, or they are of another width.
    """
    if computed.shape != known.shape:
        raise EmbedderInitFailed(
            f"its vectors are {computed.shape[1]} wide and those that {whose} {known.shape[1]}.", tip=_TIP
        )
    least = float(cosines(computed, known).min())
    if not least >= SAME:
        raise EmbedderInitFailed(
            f"{candidate.name} gives other vectors than {whose}: a cosine of {least:.6f} where {SAME} is needed.",
            tip=_TIP,
        )
    return least


_TIP = (
    "If the files of the model were changed, bring the old ones back; else make its ONNX file anew, "
    'or set engine = "torch".'
)
