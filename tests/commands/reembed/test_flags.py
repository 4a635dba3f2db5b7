"""No flag is taken and not obeyed: what a sub-command, or `--stamp-only`, does not do is refused."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Cli

FLAGS = {
    "--dry-run": (),
    "--yes": (),
    "--resume": (),
    "--namespace": ("a",),
    "--max-tokens": ("5",),
    "--max-cost": ("1",),
    "--retry-for": ("0s",),
    "--no-undo": (),
    "--stamp-only": (),
    "--sample": ("3",),
}
TAKEN = {
    "rollback": {"--dry-run", "--yes"},
    "prune": {"--yes"},
    "rehearse": {"--retry-for"},
}
VERBS = (
    "status",
    "history",
    "verify",
    "quarantine",
    "approve",
    "pause",
    "unpause",
    "cancel",
    "rehearse",
    "rollback",
    "prune",
)


@pytest.mark.parametrize("verb", VERBS)
def test_a_sub_command_refuses_the_flags_of_a_start_that_it_does_not_obey(cli: Cli, verb: str) -> None:
    for flag in FLAGS.keys() - TAKEN.get(verb, set()):
        refused = cli("reembed", flag, *FLAGS[flag], verb)
        assert (refused.code, f"reembed {verb} takes no {flag}." in refused.err) == (64, True), (flag, refused)


@pytest.mark.parametrize("words", [("--dry-run", "rollback"), ("rollback", "--dry-run"), ("--yes", "prune")])
def test_a_flag_that_a_sub_command_has_holds_before_it_too(cli: Cli, words: tuple[str, ...]) -> None:
    cli("init")

    assert cli("reembed", *words).code != 64


def test_a_flag_that_says_what_holds_anyway_is_no_mistake(cli: Cli) -> None:
    cli("init")

    assert cli("reembed", "--retry-for", "120s", "--wait", "0s", "--sleep-ms", "0", "status").code == 0
