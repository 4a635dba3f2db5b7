"""What a worker process and whoever started it say to each other, and the socket that carries it.

Both ends are ours, so messages are pickled; vectors travel as the bytes of float32.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from ai_memory.embed.usage import Usage
from ai_memory.frozen import Frozen, field

if TYPE_CHECKING:
    import socket

    from ai_memory.embed.port import Embedder
    from ai_memory.errors import AiMemoryError
    from ai_memory.vectors.target import Target, Vectors

_SIZE = struct.Struct(">Q")
LOADING = 0
"""The number of the answer that says how loading the model ended; questions are numbered from 1."""
Tell = Callable[[str], None]


class Begin(Frozen):
    """The first message: what makes the embedder, and how many questions it is asked at once."""

    make: Callable[[Tell], Embedder]
    at_once: int


class Ask(Frozen):
    """Embed some texts: documents, or with `query` one search query."""

    number: int
    texts: tuple[str, ...]
    query: bool = False


class Computed(Frozen):
    """The vectors of some texts: float32, `width` numbers each, and what they cost."""

    number: int
    vectors: bytes
    width: int
    usage: Usage

    def array(self) -> Vectors:
        """Return the vectors: float32, shape (n, width)."""
        return np.frombuffer(self.vectors, dtype=np.float32).reshape(-1, self.width)


class Loaded(Frozen):
    """The model is loaded: its target as it is now known, and the vectors of the witness texts."""

    target: Target
    witness: Computed
    number: int = LOADING


class Failed(Frozen):
    """A question, or the loading, ended with an error; `bug` is the traceback of what is none of ours."""

    number: int
    error: AiMemoryError | None = None
    bug: str = ""
    usage: Usage = field(default_factory=Usage)


class Told(Frozen):
    """What a person should know."""

    text: str


Answer = Computed | Loaded | Failed
Message = Begin | Ask | Answer | Told
MessageT = TypeVar("MessageT")


class Channel(Generic[MessageT]):
    """One end of the socket. Any thread may send, one receives."""

    def __init__(self, sock: socket.socket) -> None:
        """Speak over a connected socket."""
        self._socket = sock
        self._stream = sock.makefile("rb")
        self._sending = Lock()

    def send(self, message: MessageT) -> None:
        """Send a message; raises OSError where the other end is gone."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._socket.sendall(_SIZE.pack(len(data)))
            self._socket.sendall(data)

    def receive(self) -> MessageT | None:
        """Return the next message, None once the other end is gone, or was cut off in the middle of one."""
        try:
            head = self._stream.read(_SIZE.size)
            data = self._stream.read(_SIZE.unpack(head)[0]) if len(head) == _SIZE.size else b""
        except OSError:
            return None
        if not data or len(data) < _SIZE.unpack(head)[0]:
            return None
        found: MessageT = pickle.loads(data)  # noqa: S301 - only our own process has the other end
        return found

    def close(self) -> None:
        """Close this end."""
        self._stream.close()
        self._socket.close()


def computed(number: int, vectors: Vectors, usage: Usage) -> Computed:
    """Return the message of vectors, float32, shape (n, dim) or (dim,)."""
    return Computed(number, np.ascontiguousarray(vectors, dtype=np.float32).tobytes(), int(vectors.shape[-1]), usage)


def total(texts: Sequence[str]) -> Usage:
    """Return what is counted of a question when it is sent, whatever becomes of it."""
    return Usage(requests=1, texts_sent=len(texts))
