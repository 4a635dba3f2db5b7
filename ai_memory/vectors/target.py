"""What a vector is made for: the target, and the target as a file knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"
LOCAL = "local"
"""The backend of a model that runs on this machine; every other one is asked over HTTP."""
FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
"""The number formats in which a model on this machine may compute; its vectors are float32 in any case."""


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that changes a vector: the vector space and how texts are brought into it.

    `dim` is the width of the vectors. `document_prefix` and `query_prefix` stand before each
    text. `normalized` says whether vectors are scaled to length 1. `max_tokens` is the length at
    which the model cuts a text (0: the endpoint decides). `precision` names the number format in
    which the model computes, `template_version` the way in which a document is composed. `model` is
    the configured name, for people; it is not part of the fingerprint, `space` is. Neither are `settings`: how it was
    configured, as a file keeps it for the next migration; empty: it is not kept. Nor are `engine` and `threads`, what
    computes a local model once it is loaded, for people: engines that agree give vectors of one space.
    """

    space: str
    dim: int
    backend: str
    model: str
    document_prefix: str = ""
    query_prefix: str = ""
    normalized: bool = False
    max_tokens: int = 0
    precision: str = FLOAT32
    template_version: int = 1
    settings: str = field(default="", compare=False, repr=False)
    engine: str = field(default="", compare=False, repr=False)
    threads: int = field(default=0, compare=False, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the model runs on this machine."""
        return self.backend == LOCAL


class Fingerprint(Frozen):
    """A target as the file knows it; `witness` is None until the target's first probe.

    `stretch` is the number that its vectors are written under until rows from all over them agree.
    """

    id: int
    digest: bytes
    spec_json: str
    space: str
    dim: int
    witness: bytes | None
    stretch: int = 0


MAX_DIM = 65_536
