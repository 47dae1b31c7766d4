r"""A recording: frames with their times and what was found in them, to the bit.

    file    "edge recording 1\n", then records until the end
    record  b"EDGE", three little-endian uint32: length of the head, length of the body, CRC-32 of
            both together; the head; the body
    head    JSON in UTF-8. Of a frame: frame, source, time, captured, format, shapes of its planes,
            boxes, scores, class_ids, latency (seconds: preprocess, inference, postprocess).
            Of a failure: frame, source, time, error
    body    the planes, one after the other, uint8 in C order; empty for a failure

A record is written at once, and only ever at the end: whatever ends the writer, the file is
readable up to the last whole record.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import astuple
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, get_args

import numpy as np

from edge.errors import SourceError
from edge.io.sources.wire import plane_shapes
from edge.redaction import is_file, masked, redacted
from edge.types import Detections, Failure, Frame, Latency, PixelFormat, Result, Size

MAGIC = b"edge recording 1\n"
_PREFIX = struct.Struct("<4s3I")
_MARK = b"EDGE"
_LONGEST_HEAD = 16 << 20


def encoded(item: Result | Failure) -> list[bytes | memoryview]:
    """A record, in parts that are to be written one after the other."""
    if isinstance(item, Failure):
        head: dict[str, Any] = {
            "frame": item.index, "source": item.source, "time": item.time,
            "error": redacted(item.reason),
        }  # fmt: skip
        planes = []
    else:
        frame, detections = item.frame, item.detections
        planes = [np.ascontiguousarray(plane) for plane in frame.planes]
        head = {
            "frame": frame.index,
            "source": frame.source,
            "time": frame.time,
            "captured": frame.captured,
            "format": frame.format,
            "shapes": [plane.shape for plane in planes],
            "boxes": detections.boxes.tolist(),
            "scores": detections.scores.tolist(),
            "class_ids": detections.class_ids.tolist(),
            "latency": astuple(item.latency),
        }
    text = json.dumps(head, separators=(",", ":")).encode()
    code = zlib.crc32(text)
    for plane in planes:
        code = zlib.crc32(plane.data, code)
    body = sum(plane.nbytes for plane in planes)
    prefix = _PREFIX.pack(_MARK, len(text), body, code)
    return [prefix + text, *(plane.data.cast("B") for plane in planes)]


def read(path: Path) -> Iterator[Result | Failure]:
    """What a recording holds, in order, up to its last whole record.

    Raises:
        SourceError: It is no recording, or a record before the last is damaged.
    """
    try:
        with path.open("rb") as stream:
            _begin(stream, path)
            while (record := _record(stream, path)) is not None:
                yield record
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


def outline(path: Path) -> tuple[int, float | None]:
    """How many records a recording holds, and its frames per second by their times.

    Raises:
        SourceError: It is no recording.
    """
    count, times = 0, []
    try:
        with path.open("rb") as stream:
            size = _begin(stream, path)
            while (prefix := _prefix(stream, size)) is not None:
                head_bytes, body_bytes, _ = prefix
                head = _json(stream.read(head_bytes))
                stream.seek(body_bytes, os.SEEK_CUR)
                count += 1
                if head is not None and isinstance(head.get("time"), float):
                    times.append(head["time"])
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 0.0
    return count, 1 / step if step > 0 else None


def _begin(stream: BinaryIO, path: Path) -> int:
    """Check how a file begins. Returns its size."""
    start = stream.read(len(MAGIC))
    if start != MAGIC:
        newer = start.startswith(MAGIC[:15])
        what = "a recording of a newer version" if newer else "not a recording"
        raise SourceError(f"{path}: {what}; it begins with {start!r}, not {MAGIC!r}")
    return os.fstat(stream.fileno()).st_size


def _prefix(stream: BinaryIO, size: int) -> tuple[int, int, int] | None:
    """Lengths and code of the next record; None where no whole record follows."""
    data = stream.read(_PREFIX.size)
    if len(data) < _PREFIX.size:
        return None
    mark, head, body, code = _PREFIX.unpack(data)
    if mark != _MARK or head > _LONGEST_HEAD or stream.tell() + head + body > size:
        return None
    return head, body, code


def _record(stream: BinaryIO, path: Path) -> Result | Failure | None:
    start, size = stream.tell(), os.fstat(stream.fileno()).st_size
    prefix = _prefix(stream, size)
    if prefix is None:
        return None
    text, body = stream.read(prefix[0]), stream.read(prefix[1])
    item = _item(_json(text), body) if zlib.crc32(body, zlib.crc32(text)) == prefix[2] else None
    if item is None and stream.tell() < size:
        raise SourceError(f"{path}: the record at byte {start} is damaged")
    return item


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return head if isinstance(head, dict) else None


def _item(head: dict[str, Any] | None, body: bytes) -> Result | Failure | None:
    """What a record says; None where it contradicts itself."""
    if head is None:
        return None
    try:
        # Earlier versions wrote some passwords down.
        source = str(head["source"])
        source = source if is_file(source) else masked(source)
        where = int(head["frame"]), float(head["time"]), source
        if "error" in head:
            return Failure(*where, redacted(str(head["error"]), foreign=True))
        form: PixelFormat = next(f for f in get_args(PixelFormat) if f == head["format"])
        shapes = tuple(tuple(int(n) for n in shape) for shape in head["shapes"])
        if shapes != plane_shapes(Size(*shapes[0][:2]), form):
            return None
        planes, at = [], 0
        for shape in shapes:
            planes.append(np.frombuffer(body, np.uint8, prod(shape), at).reshape(shape))
            at += prod(shape)
        if at != len(body):
            return None
        captured = None if head["captured"] is None else float(head["captured"])
        frame = Frame(tuple(planes), form, *where, captured)
        detections = Detections(
            np.array(head["boxes"], np.float32).reshape(-1, 4),
            np.array(head["scores"], np.float32),
            np.array(head["class_ids"], np.int32),
        )
        return Result(frame, detections, Latency(*map(float, head["latency"])))
    except (KeyError, ValueError, TypeError, IndexError, StopIteration, OverflowError):
        return None
