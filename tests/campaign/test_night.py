"""A night of cron: mail comes where something is wrong and new, is one line, and can be acted on."""

from __future__ import annotations

from pathlib import Path

from tests.campaign.bystander import Bystander
from tests.campaign.night import spend, summary, told_wrong
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint


def test_every_mail_of_a_night_can_be_acted_on_and_no_figure_that_is_read_meanwhile_is_wrong(
    tmp_path: Path, figures: list[str]
) -> None:
    starts, bystander = spend(tmp_path, look_every=2.0)

    unlike = [each for each in starts if bool(each.mail) != each.news or (each.mail and not each.can_be_acted_on)]
    figures.append(f"a night of cron: {summary(starts)}; {told_wrong(bystander)}")
    assert (unlike, bystander.wrong) == ([], [])
    assert bystander.looks > 5
    assert len(starts) == 33


def test_what_an_earlier_run_wrote_between_two_looks_is_not_asked_of_the_one_that_is_shown(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    endpoint.change(poison="POISON")
    command = Command(files.create(tmp_path / "m.db", 8), remote(endpoint))
    bystander = Bystander(command, endpoint, 60, tmp_path / "none.prom", tmp_path / "none.log")
    assert command.run("reembed", "--max-rows", "4", "--batch", "2").code == 75

    bystander._look()
    assert command.run("reembed", "--resume").code == 0
    files.edit(command.db, "id-003", "POISON")
    assert command.run("reembed").code == 10
    bystander._look()

    assert (bystander.looks, bystander.wrong) == (2, [])
