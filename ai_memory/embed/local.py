"""Embedding on this machine with sentence-transformers; the only importer of that library."""

from __future__ import annotations

import importlib.util
import logging
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np

from ai_memory.cleaning import one_line
from ai_memory.embed import space, vectors
from ai_memory.embed.embedder import Meter, Target, Vectors
from ai_memory.embed.limits import utf8_size
from ai_memory.embed.model_files import is_file
from ai_memory.embed.model_folder import ModelFacts, has_weights, tensor_elements, weights
from ai_memory.errors import EmbedderInitFailed, RowsRefused
from ai_memory.settings import keep_off_model_hub, let_idle_threads_sleep

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CPU_BATCH = 8
"""Texts a forward pass on a processor. Measured with MiniLM and docstrings, sorted by length, 100 a call, one
thread: 14.3 ms a text at 8, 15.2 at 4, 16.5 at 16, 25 at 32, 38 at 64: what is padded costs as much as text."""
DEVICE_BATCH = 64
"""Texts a forward pass on an accelerator, where a pass of a few texts leaves most of it idle (not measured)."""
MAX_BATCH = 4_096
HUB_TIMEOUT = 5.0
WHOLE = 0.9
"""The part of a model's weights that its files must have. Of MiniLM the pooler, which no vector passes, is 0.7 %."""
_AGAIN = "Get the model's files again."
_INSTALL = 'Type: pip install "sentence-transformers>=6.0.0" "torch>=2.6.0"'
"""Not ai-memory[local]: until it is published, that name on PyPI is nobody's, or somebody else's."""


def require_library() -> None:
    """Refuse, without importing it, where sentence-transformers is not installed.

    Raises:
        EmbedderInitFailed: it is not.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise EmbedderInitFailed("local models need sentence-transformers, which is not installed.", tip=_INSTALL)


def cached_folder(model: str) -> Path | None:
    """Return the folder where the hub's cache holds a whole model, None where it does not.

    Raises:
        EmbedderInitFailed: `model` cannot be the name of a model.
    """
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(_hub_id(model), "modules.json")
    except ValueError as error:
        raise EmbedderInitFailed(
            f"{model!r} is not the name of a model: {_one_line(error)}.", tip="Correct [embeddings].model."
        ) from error
    folder = Path(found).parent if isinstance(found, str) else None
    return folder if folder and has_weights(folder) else None


def _hub_id(model: str) -> str:
    """Return the hub's id of a model: names without an owner are sentence-transformers' own."""
    known = {space.MINILM: "sentence-transformers/all-MiniLM-L6-v2", space.NOMIC: "nomic-ai/nomic-embed-text-v1.5"}
    return known.get(space.model_id(model)) or (model if "/" in model else f"sentence-transformers/{model}")


def token_count(folder: Path) -> Callable[[str], int] | None:
    """Return what counts a text's tokens, special ones included, as the model in `folder` does.

    None where the folder has no tokenizer.json, the only form that is read without loading a model.
    """
    file = folder / "tokenizer.json"
    if not is_file(file):
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise EmbedderInitFailed(f"{file} cannot be read: {_one_line(error)}.", tip=_AGAIN) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)


class LocalEmbedder:
    """A sentence-transformers model, loaded by the first call.

    `source` is a model id of the hub or a folder. `target.dim` below the model's width cuts the
    vectors to their first components and scales them to length 1 again (Matryoshka models lose
    little by it). `target.dim` 0 and `target.max_tokens` 0 are filled in when the model is loaded.
    """

    max_batch = MAX_BATCH
    concurrency = 1

    def __init__(self, target: Target, source: str, *, device: str = "auto", offline: bool = False) -> None:
        """Keep what to load; nothing is loaded yet."""
        self.meter = Meter()
        self._target = target
        self._source = source
        self._device = None if device == "auto" else device
        self._offline = offline
        self._model: SentenceTransformer | None = None
        self._one_at_a_time = Lock()

    @property
    def target(self) -> Target:
        """What is known of the target; complete once the model is loaded."""
        return self._target

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return min(len(texts), self.max_batch)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedderInitFailed: the model cannot be loaded, or is another than its files said.
            RowsRefused: the model cannot take these texts, or the device has no memory for them.
            AnswerViolation: the model computed NaN, infinity or zero.
        """
        return self._embed([self._target.document_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,)."""
        row: Vectors = self._embed([self._target.query_prefix + text])[0]
        return row

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._target.dim), dtype=np.float32)
        with self._one_at_a_time:
            model = self._model or self._load()
            size = sum(map(utf8_size, texts))
            self.meter.add(requests=1, texts_sent=len(texts), unreported_bytes=size)
            computed = _encode(model, texts)
        found = _shortened(computed, self._target.dim)
        return vectors.check(found, count=len(texts), dim=self._target.dim)

    def _load(self) -> SentenceTransformer:
        """Return the model, loaded and found to be what its files said."""
        let_idle_threads_sleep()
        if self._offline:
            keep_off_model_hub()
        if not self._offline:
            _require_hub(self._source)
        with _quiet():
            model = _open(self._source, self._device, offline=self._offline)
            _require_whole(model, Path(self._source))
        self._target = _agreed(self._target, _facts(model))
        self._model = model
        return model


def _require_hub(model: str) -> None:
    """Check that the hub can be reached, where nothing stands between: the library tries for a minute and more.

    Raises:
        EmbedderInitFailed: it cannot.
    """
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if address.scheme in getproxies():
        return
    try:
        socket.create_connection((address.hostname, address.port or 443), HUB_TIMEOUT).close()
    except OSError as error:
        raise EmbedderInitFailed(
            f"the model {model} is not on this machine, and {address.hostname} cannot be reached to get it.",
            tip="Set [embeddings].model_path to the model's folder, or connect once to download it.",
        ) from error


def _open(source: str, device: str | None, *, offline: bool) -> SentenceTransformer:
    try:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            source,
            device=device,
            local_files_only=offline or Path(source).is_dir(),
            trust_remote_code=False,
            model_kwargs={"dtype": "float32", "use_safetensors": True},
        ).eval()
    except ImportError as error:
        raise EmbedderInitFailed(f"the local model {source} needs a library: {error}.", tip=_INSTALL) from error
    except Exception as error:  # loading runs through four libraries, each with errors of its own
        raise EmbedderInitFailed(
            f"the local model {source} cannot be loaded: {_one_line(error)}.",
            tip="Check [embeddings].model, model_path and device; a download needs the network.",
        ) from error


def _require_whole(model: SentenceTransformer, folder: Path) -> None:
    """Check that the weights of a folder are all there: the library fills in random ones, and says so in a log only.

    Names tell nothing, as they change between releases; a head that no vector passes may be missing.

    Raises:
        EmbedderInitFailed: they are those of another model, or of a part of it.
    """
    if not folder.is_dir():
        return
    expected = sum(parameter.numel() for parameter in model.parameters())
    found = tensor_elements(weights(folder))
    if found < WHOLE * expected:
        raise EmbedderInitFailed(
            f"the weights in {folder} are not this model's: {found:,} numbers where it has {expected:,}.", tip=_AGAIN
        )


def _facts(model: SentenceTransformer) -> ModelFacts:
    from sentence_transformers.sentence_transformer.modules import Normalize

    normalized = any(isinstance(module, Normalize) for module in model)
    return ModelFacts(model.get_embedding_dimension() or 0, model.max_seq_length or 0, normalized)


def _agreed(target: Target, loaded: ModelFacts) -> Target:
    """Return `target` completed by the loaded model.

    Raises:
        EmbedderInitFailed: the model's truth differs from what was configured or read from its files.
    """
    if target.dim > loaded.dim:
        raise EmbedderInitFailed(
            f"the model {target.model} gives {loaded.dim} dimensions, fewer than the {target.dim} expected.",
            tip="Correct [embeddings].dim.",
        )
    cut = 0 < target.dim < loaded.dim
    found = replace(
        target, dim=target.dim or loaded.dim, max_tokens=loaded.max_tokens, normalized=cut or loaded.normalized
    )
    if target.max_tokens and found != target:
        raise EmbedderInitFailed(
            f"the loaded model {target.model} cuts at {found.max_tokens} tokens (normalised: {found.normalized})"
            f" where its files say {target.max_tokens} ({target.normalized}).",
            tip=_AGAIN,
        )
    return found


def _encode(model: SentenceTransformer, texts: list[str]) -> Vectors:
    from torch import OutOfMemoryError

    try:
        with _quiet():
            # The library sorts by length itself; an empty prompt keeps a model's default prompt away.
            size = CPU_BATCH if model.device.type == "cpu" else DEVICE_BATCH
            computed = model.encode(texts, prompt="", batch_size=size, show_progress_bar=False)
    except OutOfMemoryError as error:
        # Half the batch may fit, so it is refused like a request that is too large, not repeated as it is.
        raise RowsRefused(
            f"the device has no memory left for {len(texts)} texts.", tip='Try [embeddings].device = "cpu".'
        ) from error
    except (RuntimeError, ValueError, TypeError, IndexError, UnicodeError) as error:
        raise RowsRefused(f"the model cannot embed this batch: {_one_line(error)}.") from error
    return np.asarray(computed, dtype=np.float32).reshape(len(texts), -1)


def _shortened(computed: Vectors, dim: int) -> Vectors:
    """Return the first `dim` components of each vector at length 1; wider than computed: as they are."""
    if not 0 < dim < computed.shape[1]:
        return computed
    cut = computed[:, :dim]
    lengths = np.linalg.norm(cut.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(all="ignore"):  # what is not finite is refused by the check of all vectors
        scaled: Vectors = np.divide(cut, lengths, out=np.zeros_like(cut), where=lengths > 0, casting="same_kind")
    return scaled


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the model libraries' progress bars, notes and warnings off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as chatter

        chatter.set_verbosity_error()
        chatter.disable_progress_bar()
        for library in ("sentence_transformers", "huggingface_hub"):
            logging.getLogger(library).setLevel(logging.ERROR)
        yield


def _one_line(error: Exception) -> str:
    return one_line(str(error)).rstrip(".") or type(error).__name__
