"""A window that shows the newest result."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from edge.errors import NotInstalledError
from edge.io import opencv
from edge.io.draw import annotate
from edge.types import Failure, Result

_ENDS = (ord("q"), 27)  # or Esc
_LOOK = 0.03  # seconds between two looks at the keyboard


class Window:
    """A sink whose results are shown by the thread that calls `show`.

    Args:
        title: Of the window.
        labels: Class names, by class id.

    Raises:
        NotInstalledError: This OpenCV has no windows.
    """

    def __init__(self, title: str, labels: Sequence[str]) -> None:
        self._cv2 = cv2 = opencv.load("showing images")
        self._title = title
        self._labels = labels
        self._newest: Result | None = None
        self._closed = False
        self._changed = threading.Condition()
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            need = "a window needs an OpenCV with windows, and a screen"
            raise NotInstalledError(need, "gui") from error

    def write(self, result: Result) -> None:
        """Show this one next; one that was not shown yet is left out."""
        with self._changed:
            self._newest = result
            self._changed.notify()

    def write_failure(self, failure: Failure) -> None:
        """There is nothing to show."""

    def close(self) -> None:
        """Let `show` return."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def show(self) -> None:
        """Show results until `close`, or until the user presses q or Esc or closes the window."""
        cv2 = self._cv2
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._closed, _LOOK)
                result, self._newest = self._newest, None
                closed = self._closed
            if result is not None:
                cv2.imshow(self._title, self._image(result))
            gone = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
            if closed or gone or cv2.waitKey(1) & 0xFF in _ENDS:
                cv2.destroyAllWindows()
                return

    def _image(self, result: Result) -> object:
        frame = result.frame
        image = annotate(frame, result.detections, self._labels)
        text = f"{1e3 * result.latency.total:.0f} ms"
        if frame.captured is not None:
            text += f", {1e3 * (time.monotonic() - frame.captured):.0f} ms old"
        self._cv2.putText(
            image, text, (8, 24), self._cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2
        )
        return image
