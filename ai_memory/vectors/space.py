"""The name of a vector space: `<canonical model id>#<prefix scheme>`, as ai-memory stamps it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

MINILM = "sentence-transformers/all-minilm-l6-v2"
NOMIC = "nomic-ai/nomic-embed-text-v1.5"
NO_PREFIX = "none"
NOMIC_PREFIX = "nomic-task-v1"
_SPELLINGS = {
    "mini_lm_l6_v2": MINILM,
    "all-minilm-l6-v2": MINILM,
    "all-minilm": MINILM,
    MINILM: MINILM,
    "nomic_embed_v15": NOMIC,
    "nomic-embed-text": NOMIC,
    "nomic-embed-text-v1.5": NOMIC,
    NOMIC: NOMIC,
}
_KNOWN_DIMS = (
    # Widths of the models' own cards; the longer name stands before the shorter one it contains.
    ("text-embedding-3-small", 1536),
    ("text-embedding-3-large", 3072),
    ("ada-002", 1536),
    ("all-minilm", 384),
    ("bge-small", 384),
    ("nomic-embed-text", 768),
    ("bge-base", 768),
    ("mpnet", 768),
    ("bge-large", 1024),
    ("bge-m3", 1024),
    ("mxbai-embed-large", 1024),
)
_HASH_CHUNK = 1 << 20


def model_id(model: str) -> str:
    """Return the canonical id of a model name: cut at the first " (", ASCII lower case, known spellings as one.

    As in ai-memory, one `:latest` falls off every name but keeps it from being a known spelling.
    """
    name = _lower(model.split(" (", maxsplit=1)[0].strip())
    return _SPELLINGS.get(name) or name.removesuffix(":latest")


def space(model: str) -> str:
    """Return the space of a model's vectors, with the prefix scheme that its name asks of a remote server."""
    name = model_id(model)
    return f"{name}#{NOMIC_PREFIX if 'nomic-embed' in name else NO_PREFIX}"


def local_space(model: str) -> str:
    """Return the space of a named model that runs here, where no text gets a prefix."""
    return f"{model_id(model)}#{NO_PREFIX}"


def folder_space(folder: Path, weights: list[Path]) -> str:
    """Return the space of a model that is given only as a folder: its name and 12 hex of its weights' sha256.

    Several weight files count as one, in the order given.
    """
    digest = sha256()
    for file in weights:
        with file.open("rb") as stream:
            while chunk := stream.read(_HASH_CHUNK):
                digest.update(chunk)
    return f"local/{_lower(folder.resolve().name)}@{digest.hexdigest()[:12]}#{NO_PREFIX}"


def known_dim(model: str) -> int:
    """Return the native width of a well-known model, 0 where the name tells nothing."""
    name = model_id(model)
    return next((dim for known, dim in _KNOWN_DIMS if known in name), 0)


def _lower(text: str) -> str:
    """Return `text` with only its ASCII letters in lower case, as Rust's to_ascii_lowercase does."""
    return text.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")
