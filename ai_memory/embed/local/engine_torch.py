"""The engine of PyTorch, through sentence-transformers; the only importer of that library."""

from __future__ import annotations

import importlib.util
import logging
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np

from ai_memory.embed.local.features import apart, together
from ai_memory.embed.local.model_files import AGAIN, reason_of
from ai_memory.embed.local.weights import tensor_elements, weights
from ai_memory.embed.port import ModelFacts, in_precision
from ai_memory.errors import WRITE_FAULTS, EmbedderInitFailed, RowsRefused
from ai_memory.system.process_env import keep_off_model_hub, let_idle_threads_sleep
from ai_memory.vectors.target import BFLOAT16, FLOAT32

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor
    from torch.nn import Module

    from ai_memory.embed.local.features import Features, ReadText
    from ai_memory.vectors.target import Vectors

HUB_TIMEOUT = 5.0
"""Seconds in which the model hub must be reached at all. A choice of 2026-11-23, not measured."""
WHOLE = 0.9
"""The part of a model's weights that its files must have. Of MiniLM the pooler, which no vector passes, is 0.7 %."""
INSTALL = 'Type: pip install "sentence-transformers>=6.0.0" "torch>=2.6.0"'
"""Not ai-memory[local]: until it is published, that name on PyPI is nobody's, or somebody else's."""

_UNPADDED = {"common": {"return_tensors": None}, "text": {"padding": False}}
_ENCODES = "feature-extraction"
"""What the library calls the task of a model that gives each token a vector."""
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def is_installed() -> bool:
    """Return whether the library is there, without importing it."""
    return importlib.util.find_spec("sentence_transformers") is not None


def require_library() -> None:
    """Refuse, without importing it, where sentence-transformers is not installed.

    Raises:
        EmbedderInitFailed: it is not.
    """
    if not is_installed():
        raise EmbedderInitFailed("the engine torch needs sentence-transformers, which is not installed.", tip=INSTALL)


class TorchEngine:
    """A sentence-transformers model, loaded by the first call. `source` is a model id of the hub or a folder."""

    def __init__(
        self,
        source: str,
        *,
        device: str = "auto",
        offline: bool = False,
        precision: str = FLOAT32,
        threads: int = 0,
    ) -> None:
        """Keep what to load; nothing is loaded yet. When `offline`, nothing is asked of the hub.

        `precision` is FLOAT32, or BFLOAT16 for what the library holds to be safe in it: pooling stays as it is. All of
        the library in this process computes on so many `threads` (0: as many as it finds good).
        """
        self._source = source
        self._device = None if device == "auto" else device
        self._offline = offline
        self._precision = precision
        self._threads = threads
        self._model: SentenceTransformer | None = None

    @property
    def device(self) -> str:
        """What computes: "cpu", or PyTorch's kind of an accelerator; "" before the model is loaded."""
        return self._model.device.type if self._model else ""

    def facts(self) -> ModelFacts:
        """Return what the loaded model is; the first call loads it.

        Raises:
            EmbedderInitFailed: it cannot be loaded, or its files are not those of a whole model.
        """
        model = self._loaded()
        # Not before: what the library reads when it is first imported is set by then.
        from sentence_transformers.sentence_transformer.modules import Normalize

        normalized = any(isinstance(module, Normalize) for module in model)
        dim, max_tokens = model.get_embedding_dimension() or 0, model.max_seq_length or 0
        from torch import __version__ as release
        from torch import get_num_threads

        engine = in_precision(f"torch {release}", self._precision) + _card(model)
        return ModelFacts(dim, max_tokens, normalized, engine, get_num_threads())

    def tokenize(self, texts: Sequence[str]) -> Sequence[ReadText]:
        """Return texts as the model reads them.

        Raises:
            RowsRefused: the model cannot read one of them.
        """
        model = self._loaded()
        with _refusing(len(texts)):
            return apart(texts, _unpadded(model, texts), _tokenizer(model))

    def run(self, texts: Sequence[ReadText]) -> Vectors:
        """Return what the model computes in one forward pass: float32, shape (n, dim of the model), in order.

        Raises:
            RowsRefused: the model cannot take them, or the device has no memory for them.
        """
        model = self._loaded()
        from sentence_transformers.util import batch_to_device
        from torch import autocast, bfloat16, from_numpy, inference_mode

        mixed = autocast(model.device.type, bfloat16, enabled=self._precision == BFLOAT16)
        with _refusing(len(texts)), inference_mode(), mixed:
            batch = together(texts, _tokenizer(model)) or _preprocessed(model, [each.text for each in texts])
            tensors = {name: from_numpy(it) if isinstance(it, np.ndarray) else it for name, it in batch.items()}
            computed = model(batch_to_device(tensors, model.device))["sentence_embedding"]
            return np.asarray(computed.float().cpu().numpy(), dtype=np.float32)

    def write_onnx(self, file: Path) -> None:
        """Write what computes the vectors of the tokens as an ONNX file; pooling is not in it.

        Raises:
            EmbedderInitFailed: the model cannot be loaded, or cannot be written in that form.
            OSError: the disk refuses the file.
        """
        model = self._loaded()
        taken = model.preprocess(["a text", "and a longer one, so that both sizes of a batch vary"], prompt="")
        inputs = {name: taken[name] for name in _INPUTS if name in taken}
        try:
            with _quiet():
                _write_graph(_token_network(model, list(inputs)), inputs, file)
        except Exception as error:  # the exporter runs through three libraries, each with errors of its own
            root = _root(error)
            if isinstance(root, OSError) and root.errno in WRITE_FAULTS:
                raise root from None
            raise EmbedderInitFailed(
                f"the model {self._source} cannot be written as an ONNX file: {reason_of(root)}.",
                tip="Use it with the engine torch.",
            ) from error

    def close(self) -> None:
        """Let go of the model; another call loads it again."""
        self._model = None

    def _loaded(self) -> SentenceTransformer:
        if self._model is None:
            self._model = self._load()
        return self._model

    def _load(self) -> SentenceTransformer:
        """Return the model, loaded and found to be whole."""
        let_idle_threads_sleep()
        if self._offline:
            keep_off_model_hub()
        if not self._offline:
            _require_hub(self._source)
        with _quiet():
            model = _open(self._source, self._device, offline=self._offline)
            if self._threads:
                from torch import set_num_threads

                set_num_threads(self._threads)
            _require_whole(model, Path(self._source))
        return model


def _card(model: SentenceTransformer) -> str:
    """Return what is said of an accelerator beside the library's name; nothing of a processor."""
    from torch import cuda

    kind = model.device.type
    name = cuda.get_device_name(model.device) if kind == "cuda" else kind
    return "" if kind == "cpu" else f" ({name})"


def _preprocessed(model: SentenceTransformer, texts: Sequence[str]) -> Features:
    # An empty prompt keeps a model's default prompt away.
    features: Features = model.preprocess(list(texts), prompt="")
    return features


def _unpadded(model: SentenceTransformer, texts: Sequence[str]) -> Features:
    """Return texts as they are read, none filled up; nothing of a model that reads in a way of its own."""
    from sentence_transformers.base.modules import Transformer

    if not isinstance(model[0], Transformer) or model[0].transformer_task != _ENCODES:
        return {}
    features: Features = model.preprocess(list(texts), prompt="", processing_kwargs=_UNPADDED)
    return dict(features)


def _tokenizer(model: SentenceTransformer) -> Any:  # noqa: ANN401 - torch is not looked into
    return getattr(model, "tokenizer", None)


def _token_network(model: SentenceTransformer, names: list[str]) -> Module:
    """Return what computes the vectors of the tokens, and nothing else, of inputs in the order of their names."""
    from torch.nn import Module

    class Tokens(Module):  # type: ignore[misc]  # torch is not looked into
        def __init__(self) -> None:
            super().__init__()
            self.transformer = model[0].auto_model

        def forward(self, *given: Tensor) -> Tensor:
            return self.transformer(**dict(zip(names, given, strict=True)), return_dict=True).last_hidden_state

    return Tokens().eval()


def _write_graph(network: Module, inputs: Features, file: Path) -> None:
    """Write an ONNX file that takes any number of texts and of tokens."""
    from torch import onnx
    from torch.export import Dim

    program = onnx.export(
        network,
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=["last_hidden_state"],
        dynamic_shapes=(tuple({0: Dim.DYNAMIC, 1: Dim.DYNAMIC} for _ in inputs),),
        dynamo=True,
        verbose=False,
    )
    if program is not None:  # it is where the exporter is given no file
        program.save(str(file), external_data=False)


def _root(error: Exception) -> Exception:
    """Return the error that others were raised from: theirs are advice for programmers, a page long."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


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
        raise EmbedderInitFailed(f"the local model {source} needs a library: {error}.", tip=INSTALL) from error
    except Exception as error:  # loading runs through four libraries, each with errors of its own
        raise EmbedderInitFailed(
            f"the local model {source} cannot be loaded: {reason_of(error)}.",
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
            f"the weights in {folder} are not this model's: {found:,} numbers where it has {expected:,}.", tip=AGAIN
        )


@contextmanager
def _refusing(texts: int) -> Iterator[None]:
    """Compute in silence; refuse what the library cannot compute of so many texts.

    Raises:
        RowsRefused: it cannot.
    """
    from torch import OutOfMemoryError

    try:
        with _quiet():
            yield
    except OutOfMemoryError as error:
        # Half the batch may fit, so it is refused like a request that is too large, not repeated as it is.
        raise RowsRefused(
            f"the device has no memory left for {texts} texts.", tip='Try [embeddings].device = "cpu".'
        ) from error
    except (RuntimeError, ValueError, TypeError, IndexError, UnicodeError) as error:
        raise RowsRefused(f"the model cannot embed this batch: {reason_of(error)}.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the model libraries' progress bars, notes and warnings off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as chatter

        chatter.set_verbosity_error()
        chatter.disable_progress_bar()
        for library in ("sentence_transformers", "huggingface_hub", "torch.onnx"):
            logging.getLogger(library).setLevel(logging.ERROR)
        yield
