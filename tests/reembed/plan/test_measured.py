"""How fast workers embed is measured on texts of all lengths that a file has, and a signal ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter

from ai_memory.reembed.plan.measured import chosen
from ai_memory.reembed.plan.sample import MOST_BYTES, MOST_TEXTS, Sample
from tests.conftest import ROOT

WAITING = """
from threading import Event
from types import SimpleNamespace
from ai_memory.commands.reembed.plan import _measured
from ai_memory.embed.assemble import threads

class Busy:
    concurrency = 2
    def close(self): pass

def compute(embedder, texts):
    if len(texts) == 1:
        return [0]
    print("computing", flush=True)
    Event().wait()

found = SimpleNamespace(sample=["a text"] * 99, texts=99, in_doubt=SimpleNamespace(texts=0))
_measured(found, lambda: threads(Busy(), compute))
"""


def test_the_texts_that_are_timed_are_of_the_lengths_that_the_file_has() -> None:
    short, long = ["short"] * 100, ["a long text " * 50] * 300

    found = Counter(chosen([*short, *long], 32))

    assert found == {short[0]: 8, long[0]: 24}
    assert chosen([*short, *long], 32) == sorted(chosen([*short, *long], 32), key=len, reverse=True)
    assert Counter(chosen(["a", "bb"], 6)) == {"a": 3, "bb": 3}


def test_a_sample_is_of_all_that_was_met_and_takes_little_memory() -> None:
    sample = Sample()
    for each in range(100_000):
        sample.add(f"text {each}", 10)

    numbers = [int(text.split()[1]) for text in sample.texts]
    assert MOST_TEXTS // 2 <= len(numbers) <= MOST_TEXTS
    assert {one - other for one, other in zip(numbers[1:], numbers, strict=False)} == {128}
    assert numbers[-1] > 99_000

    wide = Sample()
    for each in range(1_000):
        wide.add(str(each), MOST_BYTES // 10)
    assert 5 <= len(wide.texts) <= 10


def test_an_interrupt_waits_for_no_call_that_is_computed() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "computing\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=30) == 128 + signal.SIGINT
        finally:
            process.kill()
