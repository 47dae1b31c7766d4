from __future__ import annotations

import signal

import pytest

from edge import stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_twice_at_once_is_one(number, monkeypatch):
    now = 100.0
    monkeypatch.setattr(stopping, "monotonic", lambda: now)
    before = signal.getsignal(number)
    with stopping.stops_as_interrupts():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        now += 0.1  # as of `timeout`, which tells a program and then its group
        signal.raise_signal(number)
        now += 0.5
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.stops_as_interrupts():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
