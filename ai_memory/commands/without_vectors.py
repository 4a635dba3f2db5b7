"""What commands say of texts that were stored, and of those that got no vector."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.actions.served import backfill_or_all
from ai_memory.clock import SystemClock
from ai_memory.commands.embedder_choice import ANY, Wanted
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.commands.interrupts import Written
from ai_memory.embed.assemble import configured_target
from ai_memory.errors import LATER, AiMemoryError, DataRefused, NoEmbedder, SchemaRefused
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.plan.decide import UNPROVEN
from ai_memory.reembed.plan.targets import has_unproven, recorded_target
from ai_memory.reembed.way_on import as_it_stands, way_on
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL, REEMBED, without_again
from ai_memory.vectors.fingerprint import differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ai_memory.actions.filled import Unfilled
    from ai_memory.commands.choose_writers import Writers
    from ai_memory.commands.teller import Teller
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

NAMED_ROWS = 20
CONFIGURE_SERVED = f"Configure the model whose vectors the memories have, then: {BACKFILL}"


def tell_stored_without(
    vectors: str,
    error: AiMemoryError,
    store: Reader,
    configured: EmbeddingSettings,
    teller: Teller,
    *,
    wanted: Wanted = ANY,
) -> None:
    """Say that texts were stored without the `vectors` wanted: a warning, or a note where nobody needs any now."""
    without = f"without {wanted.named(vectors)}"
    if isinstance(error, NoEmbedder):
        teller.note(f"Stored {without}: {error.what}")
    elif isinstance(error, SchemaRefused):
        teller.warn(f"stored {without}: {error.what} {CONFIGURE_SERVED}")
    elif wanted.only_back:
        what = " ".join(f"{error.what} {error.when}".split())
        teller.note(f"Stored {without}, which only the way back needs: {what} After a switch back: {BACKFILL}")
    else:
        teller.warn(_ended(f"stored {without}", error, store, configured))


def tell_unknown(writers: Writers, store: Reader, configured: EmbeddingSettings, teller: Teller) -> None:
    """Say of which spaces a text gets no vector, as it is not known, or not believed, who gives them."""
    for wanted, error in writers.unknown:
        tell_stored_without("a vector", error, store, configured, teller, wanted=wanted)


def namespaces_of(library: Library, ids: Collection[str]) -> set[str]:
    """Return the namespaces in which these memories stand."""
    found = (library.memories.get(each) for each in ids)
    return {str(each.values["namespace"]) for each in found if each}


def tell_unproven(error: AiMemoryError, store: Reader, configured: EmbeddingSettings, teller: Teller) -> None:
    """Warn that what was written before could not be asked for again."""
    teller.warn(_ended(f"of the rows written last {UNPROVEN}", error, store, configured))


def is_in_doubt(store: Reader, configured: EmbeddingSettings) -> bool:
    """Return whether vectors of the configured target were written that no end has shown to be right."""
    with suppress(*EMBEDDER_ERRORS):
        return has_unproven(store, recorded_target(store, configured_target(configured)))
    return False


def begin_with(store: Reader, configured: EmbeddingSettings) -> str:
    """Return the command that gives texts without a vector one of the configured target's beside no run."""
    with suppress(*EMBEDDER_ERRORS, DataRefused):
        return backfill_or_all(store, recorded_target(store, configured_target(configured)))
    return BACKFILL


def to_another(store: Reader, configured: EmbeddingSettings | None) -> Callable[[Run], bool]:
    """Return what says of a run whether it goes to another target than is configured."""

    def unlike(run: Run) -> bool:
        with suppress(AiMemoryError):
            return configured is not None and is_configured(store, configured, store.targets.read(run.target)) is False
        return False

    return unlike


def is_configured(store: Reader, configured: EmbeddingSettings, target: Fingerprint) -> bool | None:
    """Return whether a target is the configured one, None where the configuration names none."""
    with suppress(AiMemoryError):
        return not differences(target.spec_json, recorded_target(store, configured_target(configured)))
    return None


def _ended(what: str, error: AiMemoryError, store: Reader, configured: EmbeddingSettings) -> str:
    """Return the warning that an error led to `what`, with the one step that mends it."""
    now_ms, begin, unlike = SystemClock().now_ms(), begin_with(store, configured), to_another(store, configured)
    way = way_on(store, begin, now_ms=now_ms, unlike=unlike)
    tip = as_it_stands(error.tip, store, begin, now_ms=now_ms, unlike=unlike)
    step = without_again(tip.replace(LATER, f"Later: {way}"), way)
    if step != error.tip:
        step = step.removesuffix(".")
    elif REEMBED not in step:
        # reembed gives them theirs, too.
        lead = "Later" if step.endswith((".", "?")) or not step else "; later"
        step = f"{step} {lead}: {way}".replace(" ;", ";").strip()
    return f"{what}: {' '.join(f'{error.what} {error.when}'.split())} {step}"


def stored_by_then(
    opened: Callable[[], AbstractContextManager[Library]], ids: Collection[str], configured: EmbeddingSettings | None
) -> Written | None:
    """Return what is said where a signal ends a command that has stored these memories; None where there is none."""
    if not ids:
        return None
    what = f"{counted(len(ids), 'memory is', 'memories are')} stored"
    with opened() as library:
        missing = sum(not library.memories.has_vector(each) for each in ids)
        if not missing:
            return Written(what)
        without = "without a vector" if missing == len(ids) else f"{missing:,} of them without a vector"
        return Written(f"{what}, {without}", vectors_later(library.store, configured))


def vectors_later(store: Reader, configured: EmbeddingSettings | None) -> str:
    """Return the tip that names what gives memories without a vector theirs, as the file stands."""
    begin = begin_with(store, configured) if configured else BACKFILL
    return f"Later: {way_on(store, begin, now_ms=SystemClock().now_ms(), unlike=to_another(store, configured))}"


def warn_of_rows(left: Sequence[Unfilled], teller: Teller, what: str = "vector") -> None:
    """Name the memories that got no `what`, the first ones by id, the rest by number."""
    for each in left[:NAMED_ROWS]:
        teller.warn(f"no {what} for {printable(each.id)} in {printable(each.namespace)}: {each.message.rstrip('.')}.")
    if len(left) > NAMED_ROWS:
        teller.warn(f"no {what} for {counted(len(left) - NAMED_ROWS, 'more memory')}.")
