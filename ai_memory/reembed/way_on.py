"""Which command gives rows their vectors as a file stands: the one place that says so for all that is told to users."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, DataRefused
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.unfinished_copy import finishing
from ai_memory.text.hints import GO_ON, QUARANTINE, REEMBED, SWITCH

if TYPE_CHECKING:
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Pause, Run

UNPAUSE, CANCEL = f"{REEMBED} unpause", f"{REEMBED} cancel"
PLAINLY = re.compile(rf"\b(?P<resume>{GO_ON})(?=\s*$|[;)])|\b{REEMBED}(?=\s*$|[;)])")
"""A start that is named without a flag: the rest of a tip is for a person to choose from."""


def steps_on(
    run: Run | None, pause: Pause | None, begin: str, *, scope: Scope = None, elsewhere: bool = False, copy: str = ""
) -> tuple[str, ...]:
    """Return the commands to type one after the other.

    `run` is the unfinished one (None: none), `pause` the one that stands, `begin` what does it beside neither. Rows of
    `scope` are to get vectors; `elsewhere` says that the run goes to another target than they are to have; `copy` goes
    on with the copy that paused it (empty: none did).
    """
    if run is None:
        steps: tuple[str, ...] = (begin,)
    elif run.state == "ready" and not elsewhere:
        # What is in quarantine is found by its words once it is switched to: a person decides that.
        aside = run.counted is not None and run.counted.in_quarantine > 0
        steps = (QUARANTINE if aside else SWITCH,)
    elif run.state == "paused":
        # No start goes on with it, and nothing pauses a run so any more.
        steps = (CANCEL, begin)
    elif run.undoes or run.state == "switched":
        # No text is sent by what goes on there, and no other run begins before it is over.
        steps = (GO_ON, begin)
    elif elsewhere:
        steps = (f"{REEMBED} --retarget",)
    else:
        # It goes on with its own namespaces.
        all_of_it = run.scope is None or (scope is not None and {*scope} <= {*run.scope})
        steps = (GO_ON,) if all_of_it else (GO_ON, begin)
    return (copy or UNPAUSE, *steps) if pause else steps


def way_on(
    store: Reader,
    begin: str,
    *,
    now_ms: int,
    scope: Scope = None,
    elsewhere: Callable[[Run], bool] = lambda _: False,
    unlike: Callable[[Run], bool] = lambda _: False,
) -> str:
    """Return those commands for a file as a line names them; `begin` where its records of runs cannot be read.

    `elsewhere` says whether an unfinished run goes to another target than the rows are to have, `unlike` whether it is
    another one than is configured: then nothing goes on with it before its model is put back.
    """
    try:
        run, pause = store.runs.unfinished(), store.operator.pause(now_ms=now_ms)
        away = run is not None and elsewhere(run)
        back = _put_back(run, unlike) if run and not away else ""
        copy, then = finishing(store.name, pause), REEMBED if back else begin
        return back + "; then: ".join(steps_on(run, pause, then, scope=scope, elsewhere=away, copy=copy))
    except DataRefused:
        return begin


def _put_back(run: Run, unlike: Callable[[Run], bool]) -> str:
    """Return what is to be done before a run can be gone on with; nothing where it sends no text, or is only ended."""
    if run.undoes or run.state == "paused" or not unlike(run):
        return ""
    return f"put {printable(run.target_model)} back into [embeddings], then: "


def as_it_stands(
    tip: str, store: Reader, begin: str, *, now_ms: int, unlike: Callable[[Run], bool] = lambda _: False
) -> str:
    """Return a tip in which a start that it names plainly is what does it as the file stands, see `way_on`.

    Where a run is to be gone on with and there is none, that is `begin`.
    """

    def named(found: re.Match[str]) -> str:
        return way_on(store, begin if found["resume"] else REEMBED, now_ms=now_ms, unlike=unlike)

    return PLAINLY.sub(named, tip)


@contextmanager
def naming_the_way_on(store: Reader, begin: str, *, now_ms: int) -> Iterator[None]:
    """Have the tip of an error that ends the block name what does it as the file stands, see `as_it_stands`."""
    try:
        yield
    except AiMemoryError as error:
        error.tip = as_it_stands(error.tip, store, begin, now_ms=now_ms)
        raise
