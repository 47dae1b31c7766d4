"""Where frames wait between their source and the detector: few, and never more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edge.io.base import Source
from edge.pipeline.summary import Tally
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


class Ring:
    """What of one source waits. Its state belongs to `Rings`."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.policy = feed.effective_policy
        self.depth = _AHEAD if self.policy == "wait" else 1
        self.waiting: deque[Frame | Failure] = deque()
        self.ended = False
        self.turn = 0.0  # on the clock of `Rings`: when the detector owes it the next frame
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


class Rings:
    """The rings of all sources, and whose turn it is.

    The detector is shared by start-time fair queueing: a ring's turn moves on by 1 / priority for
    each frame taken from it, and the earliest turn is next. One that was empty does not save its
    share up. Source: Goyal, Vin, Cheng 1996, "Start-time Fair Queueing".
    """

    def __init__(self, feeds: Sequence[Feed], tally: Tally) -> None:
        self.rings = [Ring(feed) for feed in feeds]
        self._tally = tally
        self._changed = threading.Condition()
        self._stopped = False
        self._clock = 0.0

    def put(self, ring: Ring, item: Frame | Failure) -> bool:
        """Hand over what a source gave, by the policy of its feed. Returns False once stopped."""
        with self._changed:
            while ring.policy == "wait" and len(ring.waiting) >= ring.depth and not self._stopped:
                self._changed.wait()
            if self._stopped:
                self._discard(item, "stopped")
                return False
            if len(ring.waiting) >= ring.depth:
                if ring.policy == "drop-latest":
                    self._discard(item, "no-room")
                    return True
                self._discard(ring.waiting.popleft(), "overtaken")
            if not ring.waiting:
                ring.turn = max(ring.turn, self._clock)
            ring.waiting.append(item)
            self._changed.notify_all()
        return True

    def take(self) -> Frame | Failure | None:
        """The next for the detector, waited for. None when all sources have ended, or stopped."""
        with self._changed:
            while not (ready := [ring for ring in self.rings if ring.waiting]):
                if self._stopped or all(ring.ended for ring in self.rings):
                    return None
                self._changed.wait()
            ring = min(ready, key=lambda ring: ring.turn)
            item = ring.waiting.popleft()
            if isinstance(item, Frame):
                self._clock = ring.turn
                ring.turn += 1 / ring.feed.priority
            self._changed.notify_all()
            return item

    def end(self, ring: Ring) -> None:
        """A source gives no more."""
        with self._changed:
            ring.ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Give and take no more; what waits is dropped."""
        with self._changed:
            self._stopped = True
            for ring in self.rings:
                while ring.waiting:
                    self._discard(ring.waiting.popleft(), "stopped")
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        with self._changed:
            return self._stopped

    def _discard(self, item: Frame | Failure, why: str) -> None:
        if isinstance(item, Failure) and why != "stopped":
            self._tally.fail()
        else:
            self._tally.drop(why)
