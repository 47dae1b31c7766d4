"""Memory of frames, used again when nobody holds the frame any more."""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Sequence

import numpy as np

from edge.types import UInt8Array


class Buffers:
    """Arrays out of blocks that come back by themselves.

    A block comes back when its array and every view of it are gone, in whatever thread: nothing
    has to be released, and nothing that is held is overwritten. So there are as many blocks as
    frames are held at once, which the rings of a pipeline bound.
    """

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()
        self._bytes = 0

    def take(self, shape: Sequence[int]) -> UInt8Array:
        """An array of any content, C-contiguous."""
        expected = math.prod(shape)
        self._bytes = max(self._bytes, expected)
        # NumPy lets a view keep the first array over foreign memory alive: it lives the longest.
        block = self._block()
        root = np.frombuffer(block, np.uint8)
        weakref.finalize(root, self._free.append, block).atexit = False
        return root[:expected].reshape(shape)

    def _block(self) -> bytearray:
        while self._free:
            block = self._free.popleft()
            if len(block) == self._bytes:  # else it is from before the image grew
                return block
        return bytearray(self._bytes)
