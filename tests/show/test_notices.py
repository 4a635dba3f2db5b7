"""What went into quarantine is told once: how many rows, the first three with their titles, the command for all."""

from __future__ import annotations

from ai_memory.embed.outcomes import Refused
from ai_memory.memory.freshness import Document, Unfit
from ai_memory.memory.reason import Reason
from ai_memory.show.notices import QuarantineNotices
from tests.reembed.work import Heard

EMPTY = Reason("empty", "title and content are blank")


def page_of(count: int) -> tuple[Unfit, ...]:
    return tuple(Unfit(f"id-{each}\x1b", "a", b"", EMPTY) for each in range(count))


def told(*pages: tuple[Unfit, ...]) -> list[str]:
    heard = Heard()
    notices = QuarantineNotices(heard)
    for page in pages:
        notices.observe(page)
    assert heard.lines == []
    notices.tell()
    return heard.lines


def test_nothing_is_said_of_no_row() -> None:
    assert told(page_of(0)) == []


def test_one_row_is_named_with_its_reason_and_without_control_characters() -> None:
    (line,) = told(page_of(1))

    row = "id-0\\x1b (empty: title and content are blank)"
    assert line == f"ai-memory: warning: 1 row went into quarantine: {row}. All of them: ai-memory reembed quarantine"


def test_a_refused_row_is_named_with_its_title() -> None:
    document = Document("id-1", "a", "A title " + 20 * "long ", "content", "text", b"", 4)
    page = (Refused(document, Reason("refused", "the input was refused.", 400)).unfit,)

    assert told(page)[0].startswith('ai-memory: warning: 1 row went into quarantine: id-1 "A title long')
    assert "(refused: the input was refused)." in told(page)[0]


def test_of_many_rows_of_many_pages_three_are_named_in_one_line() -> None:
    (line,) = told(page_of(2), page_of(5000))

    assert "5,002 rows went into quarantine: id-0" in line
    assert line.count("(empty: ") == 3
    assert "; …. All of them" in line
