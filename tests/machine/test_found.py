"""Bugs of our own that the state machine found, each as the shortest program that shows it."""

from __future__ import annotations

from pathlib import Path

from ai_memory.reembed.request import Request
from tests.machine.edits import MODELS, Insert, Rewrite
from tests.machine.invocation import Clock, Invocation, Script
from tests.machine.world import World


def test_a_plain_text_beside_a_left_over_envelope_is_embedded(fast_folder: Path) -> None:
    # It was read as plain and written only if sealed rows were plain: raced for ever, exit 75 on every start.
    world = World(fast_folder, 0)
    Insert("a", "global", "note", "", "sealed").apply(world)
    Rewrite(0, "a plain text").apply(world)

    outcome = Invocation(world, Clock(), MODELS[0], Script(), interfere=lambda _: None).run(Request())

    assert outcome.exit_code == 0
    assert world.view().rows[1].is_right(MODELS[0])
    world.close()
