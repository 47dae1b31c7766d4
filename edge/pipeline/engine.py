"""FrameDetector sources into a detector into sinks, each in threads of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from edge.errors import EdgeError
from edge.io.base import Sink, Source, Watcher
from edge.pipeline.frame_queue import Feed, FrameQueue, FrameQueues
from edge.pipeline.sink_worker import Item, PendingResult, SinkWorker
from edge.pipeline.summary import Counters, Summary
from edge.types import Event, Failure, Frame, Result

_LOOK = 0.1  # seconds between two looks at `stop`; also when a signal is noticed at the latest


class FrameDetector(Protocol):
    """What a detector is here."""

    def run(self, frame: Frame) -> Result:
        """What is in a frame, and how long finding it took."""


def run(
    source: Source | Sequence[Feed],
    detector: FrameDetector,
    sinks: Sequence[Sink],
    *,
    watchers: Sequence[Watcher] = (),
    max_frames: int | None = None,
    max_age: float | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    """Detect in every frame and hand each result to every sink.

    A thread for each source reads ahead into a queue; one thread detects; a thread for each sink
    writes. Where all feeds wait (files), every result reaches every sink, in order, and the
    slowest of all sets the pace. Where one drops (cameras), nothing waits: frames are dropped by
    the policy of their feed, and a sink that is too slow misses results.

    A source or sink that fails is closed and the others go on; its error is raised at the end.
    When the last source or sink has failed, that is the end. All are closed in every case. An
    interrupt by the user (SIGINT) ends the run as the end of the sources does, with everything
    that has been detected written; a second one is raised at once.

    Args:
        source: Where frames come from: one source, or several with their rates and priorities,
            which share the detector.
        detector: What finds something in them; used by one thread alone, which is not the caller's.
        sinks: Where results go.
        watchers: Those who only look on, and are also told of events. They never hold up anybody,
            may miss results, and are left out without an error when they fail.
        max_frames: Stop after so many frames that were processed or failed. A source that waits
            is not asked for more either.
        max_age: Seconds from capture to result; live frames older than that are dropped.
        stop: Stops the run, as an interrupt does, when set by another thread.

    Raises:
        SourceError: A source as a whole failed.
        SinkError: A sink failed.
        KeyboardInterrupt: The user interrupted the run twice; nothing was waited for.
    """
    feeds = tuple(source) if isinstance(source, Sequence) else (Feed(source),)
    if max_age is not None and not max_age > 0:
        raise ValueError(f"max_age is above 0 seconds, got {max_age}")
    engine = _Engine(feeds, detector, sinks, watchers, max_frames, max_age)
    start = time.monotonic()
    interrupted = False
    try:
        engine.start()
        while not engine.done.wait(_LOOK):
            if stop is not None and stop.is_set() and not interrupted:
                interrupted = True
                engine.stop()
    except KeyboardInterrupt:
        interrupted = True
        engine.stop()
        engine.start()
        while not engine.done.wait(_LOOK):
            pass
    if engine.errors:
        raise engine.errors[0]
    return engine.counters.summary(time.monotonic() - start, interrupted=interrupted)


class _Engine:
    """The threads of a run."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        detector: FrameDetector,
        sinks: Sequence[Sink],
        watchers: Sequence[Watcher],
        max_frames: int | None,
        max_age: float | None,
    ) -> None:
        self.counters = Counters()
        self.done = threading.Event()
        self.errors: list[BaseException] = []  # the first is the run's
        self._detector = detector
        self._max_frames = max_frames
        self._age_limit = None if max_age is None else _AgeLimit(max_age)
        self._queues = FrameQueues(feeds, self.counters)
        wait = not any(feed.drops for feed in feeds)
        self._sinks = [SinkWorker(sink, self, wait=wait) for sink in sinks]
        self._watchers = [
            SinkWorker(watcher, self, wait=False, on_event=watcher.event) for watcher in watchers
        ]
        self._workers = (*self._sinks, *self._watchers)
        self._begun = threading.Lock()
        self._lock = threading.Lock()
        self._sources_left = len(feeds)
        self._sinks_left = len(sinks)

    def start(self) -> None:
        """Begin. To call it again does nothing: an interrupt may have come in between."""
        threading.Thread(target=self._work, name="detector", daemon=True).start()

    def stop(self) -> None:
        """End as soon as what has been detected is written."""
        self._tell(Event("stopping", "", time.time()))
        self._queues.stop()
        for queue in self._queues.queues:
            queue.feed.source.stop()

    # --- a thread for each source ---------------------------------------------------------------

    def _read(self, queue: FrameQueue) -> None:
        source = queue.feed.source
        try:
            try:
                self._read_all(queue)
            finally:
                source.close()
        except Exception as error:  # raised by `run`
            with self._lock:
                self._sources_left -= 1
                alone = not self._sources_left and not self.errors
                self.errors.append(error)
            if not alone:  # else `run` raises it, at once
                self._tell(Event("failed", queue.feed.name, time.time(), str(error)))
            if not isinstance(error, EdgeError):
                self._queues.stop()  # a defect, not a camera
        finally:
            self._queues.end(queue)

    def _read_all(self, queue: FrameQueue) -> None:
        limit = self._max_frames if queue.policy == "wait" else None
        given = 0
        for item in queue.feed.source:
            if isinstance(item, Event):
                self._tell(item)
                continue
            if isinstance(item, Frame) and queue.too_soon(item):
                self.counters.drop("rate")
            elif not self._queues.put(queue, item):
                return
            else:
                given += 1
            if given == limit:
                return

    # --- one thread that detects, and ends everything -------------------------------------------

    def _work(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        readers = [
            threading.Thread(target=self._read, args=(queue,), name="source", daemon=True)
            for queue in self._queues.queues
        ]
        try:
            try:
                for worker in self._workers:
                    worker.start()
                for reader in readers:
                    reader.start()
                while (item := self._queues.take()) is not None:
                    self._handle(item)
                    if self._max_frames is not None and self.counters.done >= self._max_frames:
                        break  # may be above: a damaged frame that was overtaken has failed too
            finally:
                self._wind_up(readers)
        except BaseException as error:  # raised by `run`
            self.errors.insert(0, error)
        finally:
            self.done.set()

    def _wind_up(self, readers: Sequence[threading.Thread]) -> None:
        self._queues.stop()
        # Results first: a source may take its time to notice.
        for workers in (self._sinks, self._watchers):
            for worker in workers:
                worker.end()
            for worker in workers:
                worker.join()
        for queue in self._queues.queues:
            queue.feed.source.stop()
        for reader in readers:
            if reader.ident is not None:
                reader.join()

    def _handle(self, item: Frame | Failure) -> None:
        if isinstance(item, Failure):
            self.counters.fail()
            self._hand_out(item)
            return
        limit = self._age_limit if item.captured is not None else None
        if limit is not None and limit.hopeless(item):
            self.counters.drop("too-old")
            return
        begin = time.monotonic()
        result = self._detector.run(item)
        end = time.monotonic()
        if limit is not None and limit.late(item, begin, end):
            self.counters.drop("too-old")
            return
        self.counters.process(
            result.latency.total, None if item.captured is None else end - item.captured
        )
        self._hand_out(PendingResult(result))

    def _hand_out(self, item: Item) -> None:
        for worker in self._workers:
            worker.put(item)

    # --- told by the workers, in their threads ---------------------------------------------------

    def unsaved(self, pending: PendingResult, reason: str) -> None:
        with self._lock:
            first, pending.failed = not pending.failed, True
        if first:
            self.counters.mark_failed()
        frame = pending.result.frame
        for watcher in self._watchers:
            watcher.put(Failure(frame.index, frame.time, frame.source, reason))

    def missed(self, worker: SinkWorker) -> None:
        if worker in self._sinks:
            self.counters.miss(worker.name)

    def failed(self, worker: SinkWorker, error: BaseException) -> None:
        if worker not in self._sinks:
            return
        with self._lock:
            self._sinks_left -= 1
            last = not self._sinks_left
            alone = last and not self.errors
            self.errors.append(error)
        # A pipe whose reader has gone, as in `| head -1`, is the user's way to end it all.
        if last or not isinstance(error, EdgeError):
            self._queues.stop()
        if isinstance(error, EdgeError) and not alone:  # else `run` raises it, at once
            self._tell(Event("failed", worker.name, time.time(), str(error)))

    def _tell(self, event: Event) -> None:
        for watcher in self._watchers:
            watcher.put(event)


class _AgeLimit:
    """Drops what is too old, before work is wasted on it where that can be foreseen."""

    def __init__(self, seconds: float) -> None:
        self._limit = seconds
        self._expected = 0.0  # seconds from a frame's turn to its result

    def hopeless(self, frame: Frame) -> bool:
        """Whether the result of a frame would be too old, as fast as it goes at the moment."""
        if time.monotonic() - _captured(frame) + self._expected <= self._limit:
            return False
        self._expected *= 0.9  # so that one slow frame is forgotten, and another one is tried
        return True

    def late(self, frame: Frame, begin: float, end: float) -> bool:
        """Whether a result has come too late. Learns how long results take."""
        self._expected = max(end - begin, 0.9 * self._expected)
        return end - _captured(frame) > self._limit


def _captured(frame: Frame) -> float:
    return time.monotonic() if frame.captured is None else frame.captured
