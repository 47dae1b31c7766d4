"""Bytes from a pipe: waited for, but not for ever."""

from __future__ import annotations

import os
import select
import threading
import time

from edge.errors import SourceError

_LOOK = 100  # milliseconds between two looks at `stopped`
_MOST_SAID = 2000  # bytes of what a program says that are kept
_CHUNK = 1 << 16


class EndError(SourceError):
    """The pipe has ended."""


class Pipe:
    """Reads a file descriptor.

    Args:
        fd: Of a pipe, a file or a terminal. Borrowed.
        name: For messages.
        stopped: Ends a wait when set.
        stall: Seconds of silence after which it has failed; None: it may be silent.
        side: Another descriptor that is emptied meanwhile, so that its writer is never held up;
            what came last is in `said`.
    """

    def __init__(
        self,
        fd: int,
        name: str,
        stopped: threading.Event,
        *,
        stall: float | None = None,
        side: int | None = None,
    ) -> None:
        self._fd = fd
        self._name = name
        self._stopped = stopped
        self._stall = stall
        self._side = side
        self._ahead = bytearray()
        self.stderr_tail = b""
        self._poll = select.poll()
        for each in (fd, side):
            if each is not None:
                self._poll.register(each, select.POLLIN)

    def fill(self, view: memoryview) -> None:
        """Fill a buffer.

        Raises:
            EndError: The pipe ended before the buffer was full.
            SourceError: Nothing came for too long, or the wait was stopped.
        """
        done = min(len(view), len(self._ahead))
        view[:done] = self._ahead[:done]
        del self._ahead[:done]
        while done < len(view):
            self._wait()
            count = os.readv(self._fd, [view[done:]])
            if not count:
                raise EndError(f"{self._name} ended")
            done += count

    def peek(self, count: int) -> bytearray:
        """At least the next so many bytes, which stay to be read. Raises as `fill`."""
        while len(self._ahead) < count:
            self._wait()
            more = os.read(self._fd, _CHUNK)
            if not more:
                raise EndError(f"{self._name} ended")
            self._ahead += more
        return self._ahead

    def skip(self, count: int) -> None:
        """Leave out bytes that were peeked at."""
        del self._ahead[:count]

    def take(self, count: int) -> bytearray:
        """The next so many bytes. Raises as `fill`."""
        result = self.peek(count)[:count]
        self.skip(count)
        return result

    def _wait(self) -> None:
        """Until there is something to read, or the end of it."""
        since = time.monotonic()
        while not self._stopped.is_set():
            ready = dict(self._poll.poll(_LOOK))
            if self._side in ready:
                self._listen()
            if self._fd in ready:
                return
            if self._stall is not None and time.monotonic() - since > self._stall:
                raise SourceError(f"{self._name}: no frame for {self._stall:g} s")
        raise SourceError(f"{self._name}: stopped")

    def _listen(self) -> None:
        assert self._side is not None
        more = os.read(self._side, _CHUNK)
        if more:
            self.stderr_tail += more
            if (
                len(self.stderr_tail) > _MOST_SAID
            ):  # from a whole line on: half a password is not found
                self.stderr_tail = self.stderr_tail[-_MOST_SAID:].partition(b"\n")[2]
        else:
            self._poll.unregister(self._side)
            self._side = None
