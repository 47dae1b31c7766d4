"""One JSON object per frame and line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, BinaryIO

from edge.errors import SinkError
from edge.io.labels import label_of
from edge.redaction import redacted
from edge.types import Failure, Result

_Json = dict[str, Any]


class JsonLines:
    """Writes JSON Lines in UTF-8 to an open stream, such as `sys.stdout.buffer`.

    A line is flushed as soon as it is written. The stream stays open on `close`: it is the
    caller's.

    Args:
        stream: Binary, writable.
        labels: Class names, by class id; a class without one is named by its number.
    """

    def __init__(self, stream: BinaryIO, labels: Sequence[str]) -> None:
        self._stream = stream
        self._labels = labels

    def write(self, result: Result) -> None:
        """Write the line of a result; see `result_object`.

        Raises:
            SinkError: It could not be written.
            BrokenPipeError: The stream is a pipe whose reader has gone.
        """
        self._line(result_object(result, self._labels))

    def write_failure(self, failure: Failure) -> None:
        """Write the line of a failure; see `failure_object`. Raises as `write`."""
        self._line(failure_object(failure))

    def close(self) -> None:
        """Flush what an interrupt may have held back."""
        self._send(b"")

    def _line(self, value: _Json) -> None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
        # A file name that is not UTF-8 holds lone surrogates: written as JSON's own escapes.
        self._send(text.encode("utf-8", "backslashreplace"))

    def _send(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:
            raise  # the reader has seen enough, as in `| head -1`: for the command to end quietly
        except OSError as error:
            raise SinkError(f"{_name(self._stream)}: {error.strerror}") from error


def result_object(result: Result, labels: Sequence[str]) -> _Json:
    """A result as JSON data: the contract of `edge run --json`.

    Boxes are x1, y1, x2, y2 in pixels of the original image; times are seconds, latencies
    milliseconds. A value that is not finite becomes null.
    """
    frame, detections, latency = result.frame, result.detections, result.latency
    rows = zip(
        detections.class_ids.tolist(),
        detections.scores.tolist(),
        detections.boxes.tolist(),
        strict=True,
    )
    return {
        "frame": frame.index,
        "source": frame.source,
        "time": _number(frame.time, 6),
        "width": frame.size.width,
        "height": frame.size.height,
        "detections": [
            {
                "class_id": class_id,
                "name": label_of(class_id, labels),
                "confidence": _number(score, 6),
                "box": [_number(edge, 3) for edge in box],
            }
            for class_id, score, box in rows
        ],
        "latency_ms": {
            "preprocess": _number(latency.preprocess * 1e3, 3),
            "inference": _number(latency.inference * 1e3, 3),
            "postprocess": _number(latency.postprocess * 1e3, 3),
        },
    }


def failure_object(failure: Failure) -> _Json:
    """A failure as JSON data: the contract of `edge run --json`."""
    return {
        "frame": failure.index,
        "source": failure.source,
        "time": _number(failure.time, 6),
        "error": redacted(failure.reason),
    }


def _number(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _name(stream: BinaryIO) -> str:
    name = getattr(stream, "name", None)
    return "standard output" if name in ("<stdout>", 1) else str(name or "output")
