"""Runs the program on so many odd inputs and prints one line of figures a kind; exit code 1: an input broke a rule."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.kinds import KINDS, Bench, make_templates
from tests.fuzz.sandbox import Broken, Sandbox
from tests.support.raw_endpoint import RawEndpoint

MOST_MB = 300
SHOWN = 10


def main() -> int:
    """Fuzz as asked and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=(__doc__ or "").strip())
    parser.add_argument("--inputs", type=int, default=1_000, metavar="N", help="inputs in all (default: 1000)")
    parser.add_argument("--seed", type=int, default=None, help="an earlier run's seed (default: a new one)")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this kind of input (repeatable)")
    parser.add_argument("--only", type=int, metavar="N", help="only the input of this number")
    args = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    chosen = [name for name in KINDS if not args.kind or name in args.kind]
    numbers = range(args.inputs) if args.only is None else [args.only]
    with tempfile.TemporaryDirectory(prefix="ai-memory-fuzz-") as folder:
        return fuzz(Path(folder), seed, chosen, numbers)


def fuzz(folder: Path, seed: int, chosen: list[str], numbers: range | list[int]) -> int:
    """Run the inputs of those numbers and return the exit code."""
    bench = Bench(folder / "templates", Sandbox(folder / "sandbox"))
    tried: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    with RawEndpoint(bench.answer) as endpoint:
        bench.sandbox.environ = {
            "AI_MEMORY_EMBED_BACKEND": "openai-compatible",
            "AI_MEMORY_EMBED_BASE_URL": endpoint.url,
            "AI_MEMORY_EMBED_MODEL": "fake",
        }
        make_templates(bench)
        environ = bench.sandbox.environ
        for number in numbers:
            name = chosen[number % len(chosen)]
            tried[name] += 1
            bench.sandbox.environ = environ
            try:
                KINDS[name](Random(f"{seed} {number}"), bench)
            except Broken as rule:
                broken[name] += 1
                if broken.total() <= SHOWN:
                    print(f"{name}, --seed {seed} --only {number}: {rule}", file=sys.stderr)
    megabytes = peak_mb()
    for name in chosen:
        print(f"figures: fuzz of {name}: {tried[name]:,} inputs, {broken[name]:,} broke a rule")
    print(f"figures: fuzz: {tried.total():,} inputs, {broken.total():,} broke a rule, {megabytes} MB at most")
    return 1 if broken or megabytes > MOST_MB else 0


def peak_mb() -> int:
    """Return the most memory that this process ever took, in MiB."""
    # Not getrusage: what it says of a process begins with the size of the one that started it.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


if __name__ == "__main__":
    sys.exit(main())
