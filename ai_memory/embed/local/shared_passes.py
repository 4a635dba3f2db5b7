"""Computes the texts of several calls together: any thread may ask, one at a time computes, for all of them.

Why no thread of its own: whoever asks has nothing to do until its texts are computed. A thread that computes goes on
until its own call is whole, and then another one that waits goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Lock
from typing import TYPE_CHECKING, Generic

from ai_memory.embed.local.passes import Call, Place, next_pass
from ai_memory.embed.port import ReadT
from ai_memory.errors import AiMemoryError

if TYPE_CHECKING:
    from ai_memory.vectors.target import Vectors


class SharedPasses(Generic[ReadT]):
    """The calls that wait for one model.

    `run` computes a pass, and is never called twice at once. `most` says how many tokens the next one may have.
    """

    def __init__(self, run: Callable[[Sequence[ReadT]], Vectors], most: Callable[[], int]) -> None:
        """Begin with no call."""
        self._run, self._most = run, most
        self._lock = Lock()
        self._calls: dict[Call[ReadT], Condition] = {}
        self._computing = False

    def compute(self, texts: Sequence[ReadT]) -> Vectors:
        """Return the vectors of `texts`, in order.

        Raises:
            AiMemoryError: what `run` raised over a pass that had texts of this call alone.
        """
        call = Call(texts)
        with self._among(call):
            if self._my_turn(call):
                try:
                    while not call.whole:
                        self._pass()
                finally:
                    self._end_turn(call)
        return call.vectors

    @contextmanager
    def _among(self, call: Call[ReadT]) -> Iterator[None]:
        with self._lock:
            # Each has its own: after a pass, dozens would wake up for nothing, and be in the way of the next one.
            self._calls[call] = Condition(self._lock)
        try:
            yield
        finally:
            with self._lock:
                del self._calls[call]

    def _my_turn(self, call: Call[ReadT]) -> bool:
        """Wait until nobody computes, and return True; or until the call is whole, and return False."""
        with self._lock:
            self._calls[call].wait_for(lambda: call.whole or not self._computing)
            if call.whole:
                return False
            self._computing = True
            return True

    def _end_turn(self, ended: Call[ReadT]) -> None:
        """Let the oldest of the others that wait go on."""
        with self._lock:
            self._computing = False
            for call, changed in self._calls.items():
                if call is not ended and not call.whole:
                    changed.notify()
                    return

    def _pass(self) -> None:
        with self._lock:
            chosen = next_pass([each for each in self._calls if not each.whole], self._most())
        if not (error := self._error_of(chosen)):
            return
        for call in {id(each): each for each, _ in chosen}.values():
            # Whose texts it was shows where those of each call are computed by themselves.
            own = [each for each in chosen if each[0] is call]
            if again := self._error_of(own) if len(own) < len(chosen) else error:
                with self._lock:
                    call.failed(again)
                    self._calls[call].notify()

    def _error_of(self, chosen: Sequence[Place[ReadT]]) -> AiMemoryError | None:
        """Compute a pass, and return what it ended with, None where each text got its vector."""
        try:
            vectors = self._run([call.texts[place] for call, place in chosen])
        except AiMemoryError as error:
            return error
        with self._lock:
            for (call, place), vector in zip(chosen, vectors, strict=True):
                call.computed(place, vector)
                if call.whole:
                    self._calls[call].notify()
        return None
