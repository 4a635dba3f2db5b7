"""A night of cron: mail comes where something is wrong and new, is one line, and can be acted on."""

from __future__ import annotations

from pathlib import Path

from tests.campaign.night import spend, summary


def test_every_mail_of_a_night_can_be_acted_on_and_none_is_missing(tmp_path: Path, figures: list[str]) -> None:
    starts = spend(tmp_path)

    unlike = [each for each in starts if bool(each.mail) != each.news or (each.mail and not each.can_be_acted_on)]
    figures.append(f"a night of cron: {summary(starts)}")
    assert unlike == []
    assert len(starts) == 33
