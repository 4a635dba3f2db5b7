"""From what processes took in each turn of scripts/bench to its figures: medians, ratios, and where it was measured."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGS = ("fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
"""What a processor may have that matters to a product of matrices."""
AT_MOST = {"recall onnx": 1.0}
"""Seconds, from the shell to the answer."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took: seconds, and those of processors; what it told; and what the same took with a single row."""

    seconds: float
    processors: float
    told: Mapping[str, Any]
    start: Took | None = None

    def as_told(self) -> Took:
        """Return the same with the seconds that it measured itself: without its start."""
        return Took(self.told["seconds"], self.told["processors"], self.told)

    def after_start(self) -> Took:
        """Return the same without its start, where that was measured."""
        if not self.start:
            return self
        seconds, processors = self.seconds - self.start.seconds, self.processors - self.start.processors
        return Took(seconds, processors, self.told)


Turn = dict[str, Took]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds since some instant: the wall's, those that all processors were busy (0: not known), and those for us."""

    wall: float
    busy: float
    ours: float

    @classmethod
    def now(cls) -> Clocks:
        """Read them."""
        times, stat = resource.getrusage(resource.RUSAGE_CHILDREN), Path("/proc/stat")
        user, nice, system, _idle, _waiting, *rest = [0.0] * 8
        if stat.exists():
            fields = stat.read_text().split("\n", 1)[0].split()[1:9]
            user, nice, system, _idle, _waiting, *rest = (int(each) / os.sysconf("SC_CLK_TCK") for each in fields)
        return cls(time.monotonic(), user + nice + system + sum(rest), times.ru_utime + times.ru_stime)

    def others_since(self, before: Clocks) -> float | None:
        """Return which part of the machine's processors others kept busy since then, None where it is not known."""
        if not self.busy:
            return None
        theirs = self.busy - before.busy - (self.ours - before.ours)
        return max(0.0, theirs / (self.wall - before.wall) / (os.cpu_count() or 1))


def figures(turns: Sequence[Turn]) -> dict[str, Any]:
    """Return what each took in each turn, with its median, and what the texts and the engines are."""
    engines = {name.split()[1]: took.told for name, took in turns[0].items() if name.startswith("engine")}
    texts = next(iter(engines.values()))
    padding = {name: took.told["computing"]["padding"] for name, took in turns[-1].items() if "reembed" in name}
    taken = {
        name: {
            "seconds": [turn[name].seconds for turn in turns],
            "processors": [turn[name].processors for turn in turns],
            "start": [start.seconds for turn in turns if (start := turn[name].start)],
            "median": statistics.median(turn[name].seconds for turn in turns),
            "wanted": AT_MOST.get(name),
        }
        for name in turns[0]
        if name != "matmul"
    }
    return {
        "tokens": texts["tokens"],
        "flops": texts["flops"],
        "engines": {name: told["library"] for name, told in engines.items()},
        "padding": padding,
        "took": taken,
        "ratios": ratios(turns),
        "peak": [turn["matmul"].told["flops_per_second"] for turn in turns],
    }


def ratios(turns: Sequence[Turn]) -> dict[str, dict[str, Any]]:
    """Return for each way to compute, with what it is compared: ratios of speeds, and the least that is wanted."""
    engines = [name.split()[1] for name in turns[0] if name.startswith("engine")]
    found = {f"reembed {engine}": of_engine(turns, engine) for engine in engines}
    return {"encode": {"the loop": compared(turns, "encode", "loop")}, **found}


def of_engine(turns: Sequence[Turn], engine: str) -> dict[str, Any]:
    """Return the ratios of a migration with an engine; without starts nothing is wanted, as they are most of it."""
    ours, alone, second = f"reembed {engine}", f"engine {engine}", f"second reembed {engine}"
    started = turns[0][ours].start is not None
    found = {
        "the loop": compared(turns, ours, "loop", wanted=2.0 if started else None),
        "its passes alone": compared(turns, ours, alone, wanted=0.97 if started else None),
        "the matrices": of_peak(turns, ours, alone, wanted=0.9 if started else None),
        "the matrices, by its passes alone": of_peak(turns, alone, alone),
    }
    if started:
        found["the loop, without both starts"] = compared(turns, ours, "loop", started=True)
        found["its passes alone, without start"] = compared(turns, ours, alone, started=True)
    if second in turns[0]:
        found["the second command"] = compared(turns, ours, second)
    return found


def compared(
    turns: Sequence[Turn], name: str, other: str, *, wanted: float | None = None, started: bool = False
) -> dict[str, Any]:
    """Return how many times as fast as the `other` one it was in each turn, as a whole or without starts."""
    both = [(turn[name], turn[other]) for turn in turns]
    if started:
        both = [(ours.after_start(), others.after_start()) for ours, others in both]
    found = median_of([others.seconds / ours.seconds for ours, others in both], wanted)
    busy = statistics.median(others.processors / ours.processors for ours, others in both)
    return {**found, "processors": busy}


def of_peak(turns: Sequence[Turn], name: str, engine: str, *, wanted: float | None = None) -> dict[str, Any]:
    """Return which part of the speed of a product of matrices was of use to the texts in each turn."""
    peaks = [turn["matmul"].told["flops_per_second"] for turn in turns]
    used = [turn[engine].told["flops"] / turn[name].seconds for turn in turns]
    return median_of([each / peak for each, peak in zip(used, peaks, strict=True)], wanted)


def median_of(pairs: Sequence[float], wanted: float | None) -> dict[str, Any]:
    """Return what was found in each turn, and the median."""
    return {"pairs": pairs, "median": statistics.median(pairs), "wanted": wanted}


def surroundings() -> dict[str, Any]:
    """Return when and on what this was measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    has = (told.get("flags") or told.get("Features") or "").split()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": told.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "flags": [each for each in FLAGS if each in has],
        "python": platform.python_version(),
    }
