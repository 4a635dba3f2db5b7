"""Rows that go into quarantine are named, but no thousand of them."""

from __future__ import annotations

from ai_memory.reembed.judge import Unfit
from ai_memory.reembed.notices import NAMED_ROWS, QuarantineNotices
from ai_memory.reembed.pages import Page
from ai_memory.reembed.window import Answered
from ai_memory.store.quarantine import Reason
from tests.reembed.work import Heard


def page_of(count: int) -> Answered:
    reason = Reason("empty", "title and content are blank")
    return Answered(Page(unfit=tuple(Unfit(f"id-{number}\x1b", "a", b"", reason) for number in range(count))))


def test_a_row_is_named_with_place_and_reason_and_without_control_characters() -> None:
    heard = Heard()

    QuarantineNotices(heard).name(page_of(1))

    assert heard.lines == ["ai-memory: warning: id-0\\x1b in a is quarantined (empty): title and content are blank"]


def test_beyond_the_limit_it_is_only_said_once_that_there_are_more() -> None:
    heard = Heard()
    notices = QuarantineNotices(heard)

    for _ in range(5):
        notices.name(page_of(NAMED_ROWS))

    assert len(heard.lines) == NAMED_ROWS + 1
    assert heard.lines[-1].startswith("ai-memory: warning: more rows are quarantined; see ai-memory reembed")
