"""Requests to stop: by signal, by time."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from ai_memory.reembed.stop import Stop, stop_after, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_the_block_asks_for_the_stop(number: signal.Signals) -> None:
    stop, before = Stop(), signal.getsignal(number)

    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        assert stop.event.wait(5)

    assert (stop.reason, stop.exit_code, stop.by_signal()) == (number.name, 128 + number, True)
    assert signal.getsignal(number) is before


def test_time_that_is_over_asks_for_the_stop() -> None:
    stop = Stop()

    with stop_after(stop, 0.01):
        assert stop.event.wait(5)

    assert (stop.reason, stop.exit_code, stop.by_signal()) == ("max-runtime", 75, False)


@pytest.mark.parametrize("seconds", [None, 60])
def test_a_block_that_ends_in_time_is_not_stopped(seconds: float | None) -> None:
    stop = Stop()

    with stop_after(stop, seconds):
        pass

    assert not stop.requested()


def test_a_signal_stands_above_the_time() -> None:
    stop = Stop()
    stop.ask("max-runtime", exit_code=75)
    stop.ask("SIGTERM", exit_code=143)
    stop.ask("max-runtime", exit_code=75)

    assert (stop.reason, stop.exit_code) == ("SIGTERM", 143)


def test_requests_begin_until_a_stop_and_after_it_only_where_something_is_finished() -> None:
    stop = Stop()
    before = stop.closed()
    stop.ask("SIGTERM", exit_code=143)
    with stop.finishing():
        inside = (stop.requested(), stop.closed())

    assert (before, inside, stop.closed()) == (False, (True, False), True)


def test_the_patience_with_what_is_in_flight_is_over_some_time_after_the_stop() -> None:
    stop, broken_off = Stop(), threading.Event()

    with stop.patient(broken_off.set, seconds=0.01):
        assert not broken_off.wait(0.05)
        stop.ask("max-runtime", exit_code=75)
        stop.ask("SIGTERM", exit_code=143)
        assert broken_off.wait(5)
        with stop.finishing():
            assert (stop.gave_up, stop.closed()) == (True, True)


def test_nothing_is_broken_off_where_the_block_ends_before() -> None:
    stop, broken_off = Stop(), threading.Event()

    with stop.patient(broken_off.set, seconds=0.2):
        stop.ask("SIGTERM", exit_code=143)

    assert not broken_off.wait(0.4)
    assert not stop.gave_up
