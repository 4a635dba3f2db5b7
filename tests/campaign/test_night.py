"""A night of cron: mail comes where something is wrong and new, is one line, and can be acted on."""

from __future__ import annotations

from pathlib import Path

from tests.campaign.night import spend, summary, told_wrong


def test_every_mail_of_a_night_can_be_acted_on_and_no_figure_that_is_read_meanwhile_is_wrong(
    tmp_path: Path, figures: list[str]
) -> None:
    starts, bystander = spend(tmp_path, look_every=2.0)

    unlike = [each for each in starts if bool(each.mail) != each.news or (each.mail and not each.can_be_acted_on)]
    figures.append(f"a night of cron: {summary(starts)}; {told_wrong(bystander)}")
    assert (unlike, bystander.wrong) == ([], [])
    assert bystander.looks > 5
    assert len(starts) == 33
