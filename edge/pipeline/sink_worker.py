"""A sink in a thread of its own, so that it holds up nobody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from edge.errors import UnsavedError
from edge.io.base import Sink
from edge.types import Event, Failure, Result

_DEPTH = 8  # results: a quarter of a second of a camera


class PendingResult:
    """A result on its way to the sinks, of which some may fail to save it."""

    __slots__ = ("failed", "result")

    def __init__(self, result: Result) -> None:
        self.result = result
        self.failed = False


Item: TypeAlias = PendingResult | Failure | Event


class Reports(Protocol):
    """Who is told what happens in a worker, from its thread."""

    def unsaved(self, pending: PendingResult, reason: str) -> None:
        """A result could not be saved; the next may well be."""

    def missed(self, worker: SinkWorker) -> None:
        """There was no room for a result."""

    def failed(self, worker: SinkWorker, error: BaseException) -> None:
        """The sink takes no more, and is closed."""


class SinkWorker:
    """A sink, its thread and the few results that wait for it.

    Args:
        sink: Written to and closed by the thread alone.
        reports: Told what happens.
        wait: Whether a result waits for room, which holds up the run; else the oldest that waits
            is given up for it.
        on_event: What takes events; None: they are not for this sink.
    """

    def __init__(
        self,
        sink: Sink,
        reports: Reports,
        *,
        wait: bool,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.sink = sink
        self.name = type(sink).__name__
        self._reports = reports
        self._wait = wait
        self._on_event = on_event
        self._queue: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ending = self._failed = False
        self._thread = threading.Thread(target=self._work, name=f"sink {self.name}", daemon=True)

    def start(self) -> None:
        """Begin to take results."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over a result, failure or event; nothing is done with it once the sink failed."""
        if isinstance(item, Event) and self._on_event is None:
            return
        missed = False
        with self._changed:
            while self._wait and len(self._queue) >= _DEPTH and not self._failed:
                self._changed.wait()
            if self._failed:
                return
            if len(self._queue) >= _DEPTH:
                missed = self._make_room()
            self._queue.append(item)
            self._changed.notify_all()
        if missed:
            self._reports.missed(self)

    def end(self) -> None:
        """Let it write what waits and close."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until it has closed."""
        if self._thread.ident is not None:
            self._thread.join()

    def _make_room(self) -> bool:
        """Give up the oldest result, or what is oldest where there is none. Returns which."""
        for place, item in enumerate(self._queue):
            if isinstance(item, PendingResult):
                del self._queue[place]
                return True
        self._queue.popleft()
        return False

    def _work(self) -> None:
        try:
            try:
                while (item := self._next()) is not None:
                    self._write(item)
            finally:
                self.sink.close()
        except Exception as error:  # told to the run, which decides
            with self._changed:
                self._failed = True
                self._queue.clear()
                self._changed.notify_all()
            self._reports.failed(self, error)

    def _next(self) -> Item | None:
        with self._changed:
            while not self._queue:
                if self._ending:
                    return None
                self._changed.wait()
            item = self._queue.popleft()
            self._changed.notify_all()
            return item

    def _write(self, item: Item) -> None:
        if isinstance(item, PendingResult):
            try:
                self.sink.write(item.result)
            except UnsavedError as error:
                self._reports.unsaved(item, str(error))
        elif isinstance(item, Failure):
            self.sink.write_failure(item)
        elif self._on_event is not None:
            self._on_event(item)
