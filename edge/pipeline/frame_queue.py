"""Where frames wait between their source and the detector: few, and never more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edge.io.base import Source
from edge.pipeline.summary import Counters
from edge.types import Failure, Frame

Policy: TypeAlias = Literal["wait", "drop-oldest", "drop-latest"]

_AHEAD = 2  # frames that a file is read ahead of the detector


@dataclass(frozen=True, slots=True)
class Feed:
    """A source, and how a run treats it.

    Attributes:
        source: Closed by the run.
        rate: Frames per second that it may have at most; None: all.
        priority: Where there is more work than time, its share of the detector in proportion to
            the others' priorities.
        policy: What happens to a frame that comes too early: "wait" holds the source up,
            "drop-oldest" drops the frame that waits for the new one, "drop-latest" the new one.
            None: drop-oldest for a live source, wait for any other.
        name: In events.
    """

    source: Source
    rate: float | None = None
    priority: float = 1.0
    policy: Policy | None = None
    name: str = "source"

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate <= 1000:
            raise ValueError(f"a rate is above 0 and at most 1000 frames/s, got {self.rate}")
        if not 0.001 <= self.priority <= 1000:
            raise ValueError(f"a priority is from 0.001 to 1000, got {self.priority}")

    @property
    def drops(self) -> bool:
        """Whether it goes on when the detector does not keep up."""
        return self.effective_policy != "wait"

    @property
    def effective_policy(self) -> Policy:
        """The policy, decided."""
        return self.policy or ("drop-oldest" if self.source.live else "wait")


class FrameQueue:
    """What of one source waits. Its state belongs to `FrameQueues`."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.policy = feed.effective_policy
        self.depth = _AHEAD if self.policy == "wait" else 1
        self.waiting: deque[Frame | Failure] = deque()
        self.ended = False
        self.turn = 0.0  # on the clock of `FrameQueues`: when the detector owes it the next frame
        self._due: float | None = None

    def too_soon(self, frame: Frame) -> bool:
        """Whether a frame comes before the rate of the feed allows the next, by `Frame.time`."""
        if self.feed.rate is None:
            return False
        period = 1 / self.feed.rate
        if self._due is None or not -period <= self._due - frame.time <= period:
            self._due = frame.time  # the first, or after a pause or a clock that was set
        if frame.time < self._due - 1e-3:  # timestamps are rounded to milliseconds
            return True
        self._due += period
        return False


class FrameQueues:
    """The queues of all sources, and whose turn it is.

    The detector is shared by start-time fair queueing: a queue's turn moves on by 1 / priority for
    each frame taken from it, and the earliest turn is next. One that was empty does not save its
    share up. Source: Goyal, Vin, Cheng 1996, "Start-time Fair Queueing".
    """

    def __init__(self, feeds: Sequence[Feed], counters: Counters) -> None:
        self.queues = [FrameQueue(feed) for feed in feeds]
        self._counters = counters
        self._changed = threading.Condition()
        self._stopped = False
        self._clock = 0.0

    def put(self, queue: FrameQueue, item: Frame | Failure) -> bool:
        """Hand over what a source gave, by the policy of its feed. Returns False once stopped."""
        with self._changed:
            while (
                queue.policy == "wait" and len(queue.waiting) >= queue.depth and not self._stopped
            ):
                self._changed.wait()
            if self._stopped:
                self._discard(item, "stopped")
                return False
            if len(queue.waiting) >= queue.depth:
                if queue.policy == "drop-latest":
                    self._discard(item, "no-room")
                    return True
                self._discard(queue.waiting.popleft(), "overtaken")
            if not queue.waiting:
                queue.turn = max(queue.turn, self._clock)
            queue.waiting.append(item)
            self._changed.notify_all()
        return True

    def take(self) -> Frame | Failure | None:
        """The next for the detector, waited for. None when all sources have ended, or stopped."""
        with self._changed:
            while not (ready := [queue for queue in self.queues if queue.waiting]):
                if self._stopped or all(queue.ended for queue in self.queues):
                    return None
                self._changed.wait()
            queue = min(ready, key=lambda queue: queue.turn)
            item = queue.waiting.popleft()
            if isinstance(item, Frame):
                self._clock = queue.turn
                queue.turn += 1 / queue.feed.priority
            self._changed.notify_all()
            return item

    def end(self, queue: FrameQueue) -> None:
        """A source gives no more."""
        with self._changed:
            queue.ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Give and take no more; what waits is dropped."""
        with self._changed:
            self._stopped = True
            for queue in self.queues:
                while queue.waiting:
                    self._discard(queue.waiting.popleft(), "stopped")
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        with self._changed:
            return self._stopped

    def _discard(self, item: Frame | Failure, why: str) -> None:
        if isinstance(item, Failure) and why != "stopped":
            self._counters.fail()
        else:
            self._counters.drop(why)
