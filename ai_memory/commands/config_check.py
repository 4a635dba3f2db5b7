"""`config check`: what is wrong with the configuration, and in which line of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.commands.known_witness import local_ties
from ai_memory.config.lines import line_of
from ai_memory.embed.assemble import assemble
from ai_memory.embed.port import ONE_ATTEMPT
from ai_memory.embed.probe import probe
from ai_memory.embed.terms import Terms
from ai_memory.errors import AiMemoryError, EmbedderInitFailed, NoEmbedder
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import Embedder
    from ai_memory.show.console import Console

EXIT_FOUND = 1
PROBE = "ai-memory config check --probe"


def run_check(settings: Settings, console: Console, *, ask: bool) -> int:
    """Show whether the configuration can be obeyed; return 1 where something in the file is ignored.

    Nothing is loaded, and nothing sent unless `ask`.

    Raises:
        EmbedderInitFailed: it cannot; the line of the file is told where it is known.
        NoEmbedder: there is no embedder to be asked.
        EmbedError, EndpointUnusable: the embedder does not answer as it should.
    """
    found = [_placed(warning, settings) for warning in settings.warnings]
    try:
        embedder = _built(settings, console)
        width = _asked(embedder) if ask else None
    except AiMemoryError:
        for each in found:
            console.warn(each)
        raise
    embedding = settings.embedding
    values = {
        "config": str(settings.config_path) if settings.config_path else None,
        "found": found,
        "backend": embedding.backend.value if embedder else None,
        "model": embedder.target.model or None if embedder else None,
        "answered_dim": width,
    }
    lines = [_of_file(settings, found), *(f"  {each}" for each in found), _of_embedder(embedding, embedder, width)]
    console.result(values, *lines)
    return EXIT_FOUND if found else 0


def _built(settings: Settings, console: Console) -> Embedder | None:
    """Return the embedder, built but not asked; None where none is configured."""
    try:
        # Of the one of before only what the file says: no command refuses to work because it cannot be built.
        embedding, _ = settings.embedding, settings.previous
        if key := embedding.api_key.value:
            key.reveal()
        return assemble(embedding, Terms(ONE_ATTEMPT), local_ties(embedding, lambda _: None, console.note))
    except NoEmbedder:
        return None
    except EmbedderInitFailed as error:
        raise EmbedderInitFailed(_placed(error.what, settings), tip=error.tip) from error


def _asked(embedder: Embedder | None) -> int:
    """Return how many numbers the embedder's vectors have."""
    if embedder is None:
        raise NoEmbedder("No embedder is configured, so none can be asked.", tip="Set [embeddings].backend.")
    return int(probe(embedder).shape[1])


def _placed(told: str, settings: Settings) -> str:
    """Return what is told of the file, with the line where it stands before it."""
    path = settings.config_path
    line = line_of(told, path) if path else None
    return f"{path}, line {line}: {told.removeprefix(f'{path}: ')}" if line else told


def _of_file(settings: Settings, found: list[str]) -> str:
    if settings.config_path is None:
        return "No configuration file is read, so what is not in the environment has its default."
    verdict = (
        f"can be obeyed, but {counted(len(found), 'setting is', 'settings are')} ignored:" if found else "is fine."
    )
    return printable(f"{settings.config_path} {verdict}")


def _of_embedder(embedding: EmbeddingSettings, embedder: Embedder | None, width: int | None) -> str:
    if embedder is None:
        return "The embedder: none; memories are found by their words alone."
    named = printable(f"{embedder.target.model or embedding.model_path.value} on {embedding.backend.value}")
    answered = f"It answers with {width:,} numbers." if width else f"It was not asked; to do that: {PROBE}"
    return f"The embedder: {named}. {answered}"
