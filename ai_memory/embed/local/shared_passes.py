"""Computes the texts of several calls together: any thread may ask, one at a time computes, for all of them.

Why no thread of its own: whoever asks has nothing to do until its texts are computed. A thread that computes goes on
until its own call is whole, and then another one that waits goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition
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
        self._calls: list[Call[ReadT]] = []
        self._computing = False
        self._changed = Condition()

    def compute(self, texts: Sequence[ReadT]) -> Vectors:
        """Return the vectors of `texts`, in order.

        Raises:
            AiMemoryError: what `run` raised over a pass that had texts of this call alone.
        """
        call = Call(texts)
        with self._among(call):
            while self._my_turn(call):
                try:
                    self._pass()
                finally:
                    self._end_turn()
        return call.vectors

    @contextmanager
    def _among(self, call: Call[ReadT]) -> Iterator[None]:
        with self._changed:
            self._calls.append(call)
        try:
            yield
        finally:
            with self._changed:
                self._calls.remove(call)

    def _my_turn(self, call: Call[ReadT]) -> bool:
        """Wait until nobody computes, and return True; or until the call is whole, and return False."""
        with self._changed:
            self._changed.wait_for(lambda: call.whole or not self._computing)
            if call.whole:
                return False
            self._computing = True
            return True

    def _end_turn(self) -> None:
        with self._changed:
            self._computing = False
            self._changed.notify_all()

    def _pass(self) -> None:
        with self._changed:
            chosen = next_pass([each for each in self._calls if not each.whole], self._most())
        if not (error := self._error_of(chosen)):
            return
        for call in {id(each): each for each, _ in chosen}.values():
            # Whose texts it was shows where those of each call are computed by themselves.
            own = [each for each in chosen if each[0] is call]
            if again := self._error_of(own) if len(own) < len(chosen) else error:
                with self._changed:
                    call.failed(again)

    def _error_of(self, chosen: Sequence[Place[ReadT]]) -> AiMemoryError | None:
        """Compute a pass, and return what it ended with, None where each text got its vector."""
        try:
            vectors = self._run([call.texts[place] for call, place in chosen])
        except AiMemoryError as error:
            return error
        with self._changed:
            for (call, place), vector in zip(chosen, vectors, strict=True):
                call.computed(place, vector)
        return None
