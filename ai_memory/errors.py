"""Every error of the program, with its exit code, what happened and what to do next.

::

    AiMemoryError
    ├── UsageError                 64   the command line is wrong
    ├── NoEmbedder                  2   the configuration names no embedder (EXIT_NO_EMBEDDER)
    ├── ConfigRefused               3   the config file, or a path in the environment, cannot be obeyed
    ├── EmbedderInitFailed          3   the embedder cannot be built (EXIT_EMBEDDER_INIT_FAILED)
    ├── StampRefused                4   the stored vectors cannot be of the target (EXIT_STAMP_REFUSED)
    ├── RunHeld                    11   another live process runs the job
    │   └── RunnerStuck             1   it holds the lock and makes no progress
    ├── OperatorNeeded             12   nothing can be begun or resumed until an operator decides
    ├── DataRefused                65   an input file or a database is unusable
    │   ├── Damaged                65   the file is not a sound SQLite database
    │   ├── StatementRefused       65   SQLite refused one statement for what stands in the database
    │   │   └── UpdateRefused      65   it refused, or did not keep, the vector of one memory
    │   ├── SchemaRefused          65   no such statement can run at all: a trigger needs what only some application has
    │   ├── DraftRefused           65   one memory or link of a file cannot be stored
    │   └── WordIndexUnusable      65   the index of words is damaged or absent; the memories are whole
    ├── NotFound                   66   no such memory, namespace or input file
    ├── EndpointUnusable           69   the endpoint cannot be used until someone acts
    ├── StorageFailed              74   input/output error, disk full
    ├── Stopped                         a signal or --max-runtime; it says what was changed by then
    ├── NotFinished                75   not finished, run again
    │   └── BreakerOpen            75   the endpoint failed; no request may be sent yet
    ├── TargetChanged              78   the target is not the one the run began with
    └── EmbedError                      what one request to an embedder can answer
        ├── TransientFailure       75   worth a retry: time-out, reset, 5xx
        │   ├── RateLimited        75   429 of rate, with its Retry-After
        │   ├── Breakdown          75   it broke down: for now, for the batch's size, or over a row in it
        │   └── AnswerLate         75   several texts were not embedded in time: fewer may be
        ├── AnswerViolation        69   an answer that cannot be believed
        │   ├── VectorsBroken      69   some of its vectors are none; the others are sound
        │   ├── OneVector          69   one vector for several texts
        │   └── ForeignAnswer      69   an answer in another language, such as a web page: the next would be the same
        ├── RowsRefused            69   400, 413, 422: the batch, or a row in it
        │   └── RequestTooLarge    69   the size of the batch, as the endpoint says
        ├── WrongTarget            78   unknown model, another width
        │   └── Misconfigured       3   it cannot be asked as configured: certificate, proxy, header
        ├── CredentialsRefused     77   401, 403
        ├── QuotaExhausted         69   402, 429 of quota or billing
        └── BudgetSpent            75   the request might cross --max-tokens or --max-cost, and was not sent

An error is two sentences: *what* happened, with its values, and a *tip*, what to do next; between them *when* the
endpoint is asked again, where that is known. `main()` prints them on one line and returns `exit_code`; `reason` says
the kind in a word or two, for the report of a run. Any other exception is a bug and keeps its traceback.

What becomes of an error on its way up. A layer deals with it or lets it pass (·). "If harmless": once a harmless text
passed, which shows that the endpoint works and the fault is these texts'::

    error               one request    its batch               one row                    the run
                        (flow/retry)   (flow/splitting)        (embed/documents)          (reembed/sweep)
    TransientFailure    repeated       halved if harmless      stays stale if harmless    breaker opens; --wait, or 75
    RateLimited         pause for all  halved if harmless      stays stale if harmless    breaker opens; --wait, or 75
    Breakdown           repeated       halved if harmless      stays stale if harmless    breaker opens; --wait, or 75
    AnswerLate          ·              a quarter of the texts  ·                          breaker opens; --wait, or 75
    AnswerViolation     repeated       halved if harmless      quarantine if harmless     69
    VectorsBroken       ·              asks for those again    quarantine if harmless     69
    OneVector           repeated       one by one if harmless                             69
    ForeignAnswer       ·              ·                       ·                          69
    RowsRefused         ·              halved                  quarantine if harmless     69, also for many such rows
    RequestTooLarge     ·              to the size it names    quarantine if harmless     69, also for many such rows
    WrongTarget         ·              ·                       ·                          78; 3 at the start
    CredentialsRefused  ·              ·                       ·                          77
    QuotaExhausted      ·              ·                       ·                          69
    BudgetSpent         is not sent    ·                       stays stale                75; what is paid for is kept
    StatementRefused                                           quarantine: commit_once    65, where it is of no row
    StorageFailed                                              its page is written again  74, at the second time
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class AiMemoryError(Exception):
    """Base of all errors that a user, a file, the network or the disk can cause."""

    exit_code: int = 1
    reason: str = "error"
    when: str = ""

    def __init_subclass__(cls, **differs: object) -> None:
        """Keep in what a class differs from the one above it: exit_code, reason, of_texts."""
        for name, value in differs.items():
            setattr(cls, name, value)

    def __init__(self, what: str, *, tip: str = "") -> None:
        """Keep `what` happened (with its values) and the `tip` on what to do next."""
        super().__init__(what)
        self.what = what
        self.tip = tip

    def __reduce__(self) -> tuple[object, ...]:
        """Return what an equal error is made of in another process: all that it holds, whatever its class takes."""
        return _again, (type(self), self.args), self.__dict__

    def line(self) -> str:
        """Return the one line for the user: what happened, then what to do next."""
        return " ".join(f"{self.what} {self.when} {self.tip}".split())


def _again(kind: type[AiMemoryError], args: tuple[object, ...]) -> AiMemoryError:
    """Return an error that holds nothing yet; not by its class, which may want more than `args`."""
    return kind.__new__(kind, *args)


LATER = "Run the same command again later."
"""The tip of an error that time alone mends."""


LONGEST_ASKED = 24 * 60 * 60.0
"""No wait that an endpoint asks for is believed to be longer, in seconds: some ask for years."""
IN_TROUBLE = "endpoint in trouble"
"""The reason of a failure that the endpoint itself tells of, as with a 503."""
UNUSABLE = "answer unusable"
"""The reason of a failure where something came that is no answer."""


class UsageError(AiMemoryError, exit_code=64, reason="usage"):
    """The command line cannot be obeyed."""


class NoEmbedder(AiMemoryError, exit_code=2, reason="no embedder"):
    """The configuration names no embedder."""


class ConfigRefused(AiMemoryError, exit_code=3, reason="configuration"):
    """The config file, or a path in the environment, cannot be obeyed."""


class EmbedderInitFailed(AiMemoryError, exit_code=3, reason="embedder"):
    """The configured embedder cannot be built, or its start probe was answered wrongly."""


class StampRefused(AiMemoryError, exit_code=4, reason="stamp refused"):
    """The stored vectors are not what the stamp would say."""


class RunHeld(AiMemoryError, exit_code=11, reason="held"):
    """Another live process holds the runner's lock."""


class RunnerStuck(RunHeld, exit_code=1, reason="stuck"):
    """The holder of the lock has made no progress for too long."""


class OperatorNeeded(AiMemoryError, exit_code=12, reason="operator needed"):
    """Nothing may be resumed without an operator's decision."""


class DataRefused(AiMemoryError, exit_code=65, reason="data"):
    """An input file or a database cannot be used as it is."""


class Damaged(DataRefused):
    """A file is not a sound SQLite database."""


class StatementRefused(DataRefused, reason="statement refused"):
    """SQLite refused one statement for what stands in the database: a constraint, a trigger, a function it lacks."""

    def __init__(self, what: str, *, tip: str = "", words: str = "") -> None:
        """Keep SQLite's own words, on one line and printable, beside the two sentences."""
        super().__init__(what, tip=tip)
        self.words = words


class UpdateRefused(StatementRefused):
    """The database refused the vector of the memory `memory_id`, or a trigger of its own took it back."""

    def __init__(self, what: str, *, tip: str = "", words: str = "", memory_id: str = "") -> None:
        """Keep the memory beside the two sentences."""
        super().__init__(what, tip=tip, words=words)
        self.memory_id = memory_id


class SchemaRefused(DataRefused, reason="schema"):
    """The schema of a database lets no statement of a kind run, whatever the row: no line of a file is at fault."""


class DraftRefused(DataRefused):
    """One memory or link of a file cannot be stored; the others may be."""


class WordIndexUnusable(DataRefused, reason="word index"):
    """The index of words in the file `path` is damaged, absent or something else; the memories can make it anew."""

    def __init__(self, path: object, words: str, *, tip: str = "") -> None:
        """Keep SQLite's own words, on one line and printable, beside the two sentences."""
        what = f"The word index of {path} cannot be used: {words}."
        super().__init__(what, tip=tip or "Rebuild it from the memories: ai-memory doctor --repair-fts")
        self.words = words


class NotFound(AiMemoryError, exit_code=66, reason="not found"):
    """A named memory, namespace or input file does not exist."""


class EndpointUnusable(AiMemoryError, exit_code=69, reason="endpoint unusable"):
    """The endpoint cannot be used until someone acts."""


WRITE_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a disk or its file system can do to a file that is written: StorageFailed, where no better is known."""


class StorageFailed(AiMemoryError, exit_code=74, reason="storage"):
    """The disk or the file system refused to read or write."""


class Stopped(AiMemoryError, reason="stopped"):
    """The work was ended by a signal or by --max-runtime; it carries their exit code, and says what was changed."""

    def __init__(self, what: str, *, exit_code: int, tip: str = "") -> None:
        """Keep the exit code beside the two sentences."""
        super().__init__(what, tip=tip)
        self.exit_code = exit_code


class NotFinished(AiMemoryError, exit_code=75, reason="not finished"):
    """The job is not finished; running the same command again goes on with it."""


class BreakerOpen(NotFinished, reason="breaker open"):
    """The endpoint failed last time, and no request may be sent for `seconds`."""

    def __init__(self, what: str, *, tip: str = "", seconds: float = 0.0) -> None:
        """Keep the wait beside the two sentences."""
        super().__init__(what, tip=tip)
        self.seconds = seconds


class TargetChanged(AiMemoryError, exit_code=78, reason="target changed"):
    """The configured target is not the one the run began with."""


class EmbedError(AiMemoryError):
    """One request to an embedder that brought no vectors.

    `http_status` is the status of the answer, None where there was none. `in_doubt` says that the request was
    sent and its answer lost, or unreadable: it may have been embedded, and charged for. `of_texts` says that it may
    be about the texts that were sent, `harmless_passed` whether a harmless text passed right after it (None: nobody
    asked).
    """

    of_texts: bool = False
    harmless_passed: bool | None = None

    def __init__(self, what: str, *, tip: str = "", http_status: int | None = None, in_doubt: bool = False) -> None:
        """Keep the HTTP status and the doubt beside the two sentences."""
        super().__init__(what, tip=tip)
        self.http_status = http_status
        self.in_doubt = in_doubt


class TransientFailure(EmbedError, exit_code=75, reason="endpoint away"):
    """The same request may succeed later."""


class RateLimited(TransientFailure, reason="rate limited"):
    """The endpoint asked for fewer requests.

    `retry_after` is what is believed of the wait that it named, `pause` the one that we keep, in seconds (0: none).
    """

    def __init__(self, what: str, *, tip: str = "", http_status: int | None = None, retry_after: float = 0.0) -> None:
        """Keep the wait the endpoint asked for, in seconds (0: it named none), a day at most."""
        super().__init__(what, tip=tip, http_status=http_status)
        self.retry_after = self.pause = min(retry_after, LONGEST_ASKED)


class Breakdown(TransientFailure, of_texts=True):
    """The endpoint broke down over the request: for now, for its size, or over a text in it; a harmless text tells."""


class AnswerLate(TransientFailure):
    """A request of several texts was sent whole and not answered in time: one of fewer texts may be."""


class AnswerViolation(EmbedError, exit_code=69, reason="answer violation", of_texts=True):
    """An answer that cannot be believed: too short, mis-ordered, not finite, all zero."""


class VectorsBroken(AnswerViolation):
    """An answer in which the vectors at the positions `broken` are none; the other rows of `vectors` are sound."""

    def __init__(self, what: str, *, tip: str = "", vectors: npt.NDArray[np.float32], broken: Sequence[int]) -> None:
        """Keep the vectors, float32, shape (n, dim), and the positions beside the two sentences."""
        super().__init__(what, tip=tip)
        self.vectors = vectors
        self.broken = broken


class OneVector(AnswerViolation):
    """An answer that has one vector for several texts, as of an endpoint that reads no more than the first."""


class ForeignAnswer(AnswerViolation, of_texts=False):
    """No answer to such a request at all, and none that was came before: asking again brings the same."""


class RowsRefused(EmbedError, exit_code=69, reason="rows refused", of_texts=True):
    """The batch was refused for what is in it: 400, 413 or 422."""


class RequestTooLarge(RowsRefused):
    """The endpoint says that the request is too large; `most` is the size it named, in `unit` (0: it named none)."""

    def __init__(
        self, what: str, *, tip: str = "", http_status: int | None = None, most: int = 0, unit: str = ""
    ) -> None:
        """Keep the size: `unit` is inputs, tokens or bytes, empty where nothing tells."""
        super().__init__(what, tip=tip, http_status=http_status)
        self.most = most
        self.unit = unit


class WrongTarget(EmbedError, exit_code=78, reason="wrong target"):
    """The endpoint does not serve the target: unknown model, another width."""


class Misconfigured(WrongTarget, exit_code=3, reason="configuration"):
    """The endpoint cannot be asked as things are set up here: a certificate does not fit, a proxy is none."""


class CredentialsRefused(EmbedError, exit_code=77, reason="credentials"):
    """The endpoint refused the key."""


class QuotaExhausted(EmbedError, exit_code=69, reason="quota"):
    """The account behind the key has nothing left to spend."""


class BudgetSpent(EmbedError, exit_code=75):
    """A request might cross the limit that the `flag` sets, and was not sent."""

    def __init__(self, what: str, *, tip: str = "", flag: str = "max-tokens") -> None:
        """Keep the flag beside the two sentences."""
        super().__init__(what, tip=tip)
        self.flag = flag
