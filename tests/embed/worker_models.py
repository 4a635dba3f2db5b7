"""Models for worker processes: they compute nothing, and do on purpose what real ones do by accident."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.target import Target, Vectors
from tests.support.fakes import HashEmbedder

DEADLY, HELD, SLOW, BUG = "deadly", "held", "slow", "bug"
SLOW_S = 0.5
TARGET = HashEmbedder(model="first").target


class Odd(HashEmbedder):
    """Ends its process over a DEADLY text, answers a HELD one only once `folder` has the file "go", a SLOW one late.

    Its vectors are those of other weights as soon as `drift` says so of its process.
    """

    folder = Path()

    @property
    def target(self) -> Target:
        """The same whatever the weights are."""
        return TARGET

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        for text in texts:
            if DEADLY in text:
                os.kill(os.getpid(), signal.SIGKILL)
            if BUG in text:
                raise ZeroDivisionError(text)
            if HELD in text:
                hold(self.folder)
            if SLOW in text:
                time.sleep(SLOW_S)
        if (self.folder / f"drifted-{os.getpid()}").exists():
            return HashEmbedder(model="others").embed_documents(texts)
        return HashEmbedder.embed_documents(self, texts)


def drift(folder: Path, pid: int) -> None:
    """Have the model in one process give the vectors of other weights from now on, as a broken machine may."""
    (folder / f"drifted-{pid}").touch()


def hold(folder: Path) -> None:
    """Say by a file named after this process that it was asked, and wait for the file "go"."""
    (folder / str(os.getpid())).touch()
    while not (folder / "go").exists():
        time.sleep(0.01)


def odd(folder: Path, tell: Callable[[str], None]) -> Odd:
    """Make a model of the weights that the file "weights" names now; it tells its process."""
    tell(f"loading in {os.getpid()}")
    weights = folder / "weights"
    made = Odd(model=weights.read_text("utf-8") if weights.exists() else "first")
    made.folder = folder
    return made


def held_while_loading(folder: Path, tell: Callable[[str], None]) -> Odd:
    """Load only once `folder` has the file "go"."""
    hold(folder)
    return odd(folder, tell)


class OfOdd:
    """Workers of an odd model; `folder` is theirs, and `told` what they and their end have told."""

    folder: Path
    told: list[str]

    def started(self) -> list[int]:
        """Return the processes that have begun to load."""
        return [int(text.removeprefix("loading in ")) for text in self.told if text.startswith("loading in ")]

    def held(self) -> list[int]:
        """Return the processes that were asked what is not answered yet."""
        return [int(file.name) for file in self.folder.iterdir() if file.name.isdigit()]

    def go(self) -> None:
        """Have what is held answered."""
        (self.folder / "go").touch()


def unloadable(tell: Callable[[str], None]) -> Odd:
    """Refuse as a model does whose files are not whole."""
    del tell
    raise EmbedderInitFailed("the model is not whole.", tip="Get it again.")


class Timed(HashEmbedder):
    """Takes so many seconds for a call, one after the other, and computes nothing: to measure all beside it."""

    seconds = 0.0
    turn = Lock()

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        with self.turn:
            time.sleep(self.seconds)
        return np.ones((len(texts), self.dim), dtype=np.float32)


def timed_model(seconds: float, dim: int, tell: Callable[[str], None]) -> Timed:
    """Make a model that takes so many seconds for a call."""
    del tell
    made = Timed(dim=dim)
    made.seconds = seconds
    return made
