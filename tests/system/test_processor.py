"""What the processor has instructions for, as the system lists it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.system.processor import processor_features

X86 = "processor\t: 0\nmodel name\t: A processor\nflags\t\t: fpu avx2 avx512_vnni amx_bf16\nvmx flags\t: ept\n\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimddp bf16\n"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (X86 + X86.replace("amx_bf16", ""), {"fpu", "avx2", "avx512_vnni", "amx_bf16"}),
        (ARM, {"fp", "asimd", "asimddp", "bf16"}),
        ("processor\t: 0\n", set[str]()),
        ("flags", set[str]()),
    ],
)
def test_the_first_core_says_what_the_processor_has(tmp_path: Path, told: str, expected: set[str]) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text(told, encoding="utf-8")

    assert processor_features(listed) == expected


def test_a_system_without_the_list_tells_of_nothing(tmp_path: Path) -> None:
    assert processor_features(tmp_path / "cpuinfo") == set()
