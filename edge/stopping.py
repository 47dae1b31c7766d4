"""What asks a program to stop, as one: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from types import FrameType

AGAIN = 0.5  # seconds: `timeout` tells a program and then its group, so the program twice


@contextmanager
def stops_as_interrupts() -> Iterator[None]:
    """Each of these signals raises KeyboardInterrupt in the main thread, as Ctrl-C does.

    One that follows at once is the same one. One that is ignored stays so, as under `nohup`.
    """
    latest: float | None = None

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal latest
        now = monotonic()
        if latest is None or now - latest >= AGAIN:
            latest = now
            raise KeyboardInterrupt

    usual = (signal.SIG_DFL, signal.default_int_handler)
    taken = {}
    with suppress(ValueError):  # signals belong to the main thread
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if before in usual:
                signal.signal(number, interrupt)
                taken[number] = before
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)
