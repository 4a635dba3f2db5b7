"""The log of a start: a line for each event, by the names that the documents promise, without a text of a memory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

from hypothesis import given

from ai_memory.memory.freshness import Unfit
from ai_memory.memory.reason import Reason
from ai_memory.reembed import events
from ai_memory.reembed.events import (
    BreakerOpened,
    Copying,
    Event,
    PageCommitted,
    RequestsCounted,
    RowsLookedAt,
    RowsQuarantined,
    SignGiven,
    Waiting,
)
from ai_memory.show.log import FORMATS, TOLD, EventLog, LogFile, name_of
from ai_memory.text.times import in_utc
from tests.conftest import ROOT
from tests.reembed.observers import DAMAGED, ORDERS
from tests.reembed.work import NOW_MS, Clock

EXAMPLES: tuple[Event, ...] = (
    events.RunTakenOver(1),
    events.RunBegan("m", 1),
    events.RowsCounted("m", 1),
    events.PassBegan(1),
    events.PageCommitted(1),
    events.RowsQuarantined(()),
    events.WitnessAgreed(),
    events.RowsTakenBack(1),
    events.RemedyFound({"inputs": 1}),
    events.BreakerOpened("", NOW_MS, "endpoint away"),
    events.Waiting("", 1.0, "endpoint away"),
    events.SignGiven(""),
    events.RunEnded(),
    events.StartEnded(0, "complete"),
    events.CopyEnded(Path("f"), 1),
    events.BackupOpened(Path("f")),
    events.PauseKept(Path("f"), paused=True),
    events.PauseNotKept(Path("f"), DAMAGED),
)
AT = "2027-01-15T08:00:00.000+00:00"


def logged(told: list[Event], form: str) -> list[str]:
    """Return the lines of a log of these events."""
    lines: list[str] = []
    observe = EventLog(lines.append, FORMATS[form], {"database": "a b.db"}, Clock(NOW_MS))
    for event in told:
        observe(event)
    return lines


def test_each_kind_of_event_is_told_or_said_to_be_left_out() -> None:
    assert set(TOLD) == set(get_args(Event)) - {Copying, RequestsCounted, RowsLookedAt}


def test_the_documents_have_each_event_with_its_values() -> None:
    page = (ROOT / "docs" / "how-to.md").read_text("utf-8").partition("… keep a log")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \|(.*?)\| [^|]*\|$", page, re.MULTILINE)
    kinds = {name_of(kind): kind for kind in TOLD}

    assert [name for name, _ in rows] == list(kinds)
    for name, values in rows:
        [example] = [each for each in EXAMPLES if type(each) is kinds[name]]
        assert re.findall(r"`(\w+)`", values) == list(TOLD[kinds[name]](example))


@given(ORDERS)
def test_each_line_of_json_is_one_object_with_a_time_of_rfc_3339_and_a_known_event(told: list[Event]) -> None:
    for line in logged(told, "json"):
        found = json.loads(line)
        assert "\n" not in line
        assert in_utc(found["time"])
        assert found["event"] in map(name_of, TOLD)
        assert found["database"] == "a b.db"


@given(ORDERS)
def test_each_line_of_text_is_one_line(told: list[Event]) -> None:
    for line in logged(told, "text"):
        assert line.splitlines() == [line]
        assert re.match(rf'{re.escape(AT)} [a-z_]+ database="a b.db"( |$)', line)


def test_a_line_of_text_has_time_event_and_values() -> None:
    assert logged([PageCommitted(4)], "text") == [f'{AT} page_committed database="a b.db" rows=4']


def test_no_text_of_a_memory_and_no_words_of_an_endpoint_are_logged() -> None:
    secret = "the moon landing"
    row = Unfit("id-1", "a", b"", Reason("refused", f"400: cannot embed '{secret}'", 400), secret)
    told: list[Event] = [RowsQuarantined((row,)), BreakerOpened(secret, NOW_MS, "endpoint away"), SignGiven(secret)]
    told.append(Waiting(secret, 2.5, "endpoint away"))

    lines = logged(told, "json")

    assert [json.loads(each)["event"] for each in lines] == [name_of(type(each)) for each in told]
    assert json.loads(lines[0])["quarantined"] == [{"id": "id-1", "kind": "refused", "http_status": 400}]
    assert secret not in "".join(lines)


def test_a_failure_that_lasts_is_told_once_and_so_is_its_end() -> None:
    lines = logged([SignGiven(each) for each in ("", "503", "503", "504", "", "")], "json")

    assert [json.loads(each)["failing"] for each in lines] == [True, False]


def test_a_log_that_cannot_be_written_is_told_once_and_its_next_line_stands_alone(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "later" / "log"
    log = LogFile(path, told.append)
    log("first")
    log("second")
    path.parent.mkdir()
    log("third")
    log("fourth")

    assert told == [f"--log-file: {path} cannot be written: No such file or directory; the run goes on."]
    assert path.read_text() == "\nthird\nfourth\n"
