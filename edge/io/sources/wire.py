"""Images out of bytes: raw, YUV4MPEG2 and MJPEG.

Source: YUV4MPEG2 as mjpegtools' yuv4mpeg(5) describes it; JPEG markers: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from edge.errors import SourceError
from edge.io import opencv
from edge.io.buffers import Buffers
from edge.io.sources.live import RawFrame
from edge.io.sources.pipe import EndError, Pipe
from edge.types import PixelFormat, Size, UInt8Array

_LARGEST = 64 << 20  # bytes of a JPEG: beyond is no image
_SIDE = 16384  # pixels
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"


def plane_shapes(size: Size, form: PixelFormat) -> tuple[tuple[int, ...], ...]:
    """The shapes of a frame's planes.

    Raises:
        ValueError: The format has half as many columns or rows of chroma, and these are odd.
    """
    height, width = size.height, size.width
    odd = width % 2 or (height % 2 and form != "YUYV")
    if form in ("NV12", "I420", "YUYV") and odd:
        raise ValueError(f"{form} images have even sides, got {size}")
    half = (height // 2, width // 2)
    shapes: dict[PixelFormat, tuple[tuple[int, ...], ...]] = {
        "BGR": ((height, width, 3),),
        "RGB": ((height, width, 3),),
        "GRAY": ((height, width),),
        "YUYV": ((height, width, 2),),
        "NV12": ((height, width), (*half, 2)),
        "I420": ((height, width), half, half),
    }
    return shapes[form]


def raw(pipe: Pipe, size: Size, form: PixelFormat) -> Iterator[RawFrame | None]:
    """Images back to back, planes back to back, rows without gaps. Ends with the pipe.

    Raises:
        SourceError: The pipe fails, or ends inside an image.
    """
    shapes, buffers = plane_shapes(size, form), Buffers()
    while True:
        try:
            pipe.peek(1)
        except EndError:
            return
        captured = time.monotonic()  # its first byte is there: the sooner, the closer to the truth
        yield RawFrame(_planes(pipe, shapes, buffers), form, captured)


def y4m(pipe: Pipe) -> Iterator[RawFrame | None]:
    """The images of a YUV4MPEG2 stream, 4:2:0 or gray, 8 bits. Raises and ends as `raw`."""
    header = _line(pipe)
    fields = {word[:1]: word[1:] for word in header.split()[1:]}
    chroma = fields.get("C", "420")
    match = re.fullmatch(r"420(jpeg|mpeg2|paldv)?|mono", chroma)
    if not header.startswith("YUV4MPEG2 ") or not match:
        raise SourceError(f"YUV4MPEG2 of 8-bit 4:2:0 or gray is wanted, got {header!r}")
    width, height = (int(fields[k]) if fields.get(k, "").isdigit() else 0 for k in "WH")
    if not (1 <= width <= _SIDE and 1 <= height <= _SIDE):
        raise SourceError(f"YUV4MPEG2 with sides from 1 to {_SIDE} is wanted, got {header!r}")
    form: PixelFormat = "GRAY" if chroma == "mono" else "I420"
    try:
        shapes = plane_shapes(Size(height, width), form)
    except ValueError as error:
        raise SourceError(str(error)) from error
    buffers = Buffers()
    while True:
        try:
            pipe.peek(1)
        except EndError:
            return
        captured = time.monotonic()
        if not (line := _line(pipe)).startswith("FRAME"):
            raise SourceError(f"YUV4MPEG2: FRAME is wanted, got {line!r}")
        yield RawFrame(_planes(pipe, shapes, buffers), form, captured)


def mjpeg(pipe: Pipe) -> Iterator[RawFrame | None]:
    """JPEG images back to back, whatever lies between them; None for one that is damaged.

    Raises and ends as `raw`.
    """
    opencv.load("decoding MJPEG")
    while True:
        try:
            while (at := pipe.peek(2).find(_SOI)) < 0:
                pipe.skip(len(pipe.peek(2)) - 1)
        except EndError:
            return
        pipe.skip(at)
        captured = time.monotonic()
        image = decode_jpeg(pipe.take(_jpeg_length(pipe)))
        yield None if image is None else RawFrame((image,), "BGR", captured)


def decode_jpeg(data: bytes | bytearray | UInt8Array) -> UInt8Array | None:
    """A JPEG as (H, W, 3) BGR; None where it is damaged, so that no gray half is detected in."""
    cv2 = opencv.load("decoding MJPEG")
    content = np.frombuffer(data, np.uint8)
    end = content[max(0, len(content) - 64) :].tobytes()
    if content[:2].tobytes() != _SOI or _EOI not in end:  # drivers may pad behind the end
        return None
    try:
        with opencv.quiet(cv2):
            image: UInt8Array | None = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return image


def sniff(pipe: Pipe) -> Iterator[RawFrame | None]:
    """Whichever of YUV4MPEG2 and MJPEG begins with these bytes.

    Raises:
        SourceError: Neither.
    """
    try:
        start = bytes(pipe.peek(10)[:10])
    except EndError as error:
        raise SourceError(f"{error} before there was an image") from error
    if start == b"YUV4MPEG2 ":
        return y4m(pipe)
    if start.startswith(_SOI):
        return mjpeg(pipe)
    raise SourceError(
        f"neither JPEG images nor YUV4MPEG2, which begin otherwise than {start!r}; for raw "
        "images give ?size=WIDTHxHEIGHT&format=I420"
    )


def _planes(
    pipe: Pipe, shapes: Sequence[tuple[int, ...]], buffers: Buffers
) -> tuple[UInt8Array, ...]:
    whole = buffers.take((sum(map(prod, shapes)),))
    pipe.fill(whole.data)
    planes, start = [], 0
    for shape in shapes:
        planes.append(whole[start : start + prod(shape)].reshape(shape))
        start += prod(shape)
    return tuple(planes)


def _line(pipe: Pipe) -> str:
    length = 1
    while (end := pipe.peek(length).find(b"\n")) < 0:
        length = len(pipe.peek(1)) + 1
        if length > 1024:
            raise SourceError("YUV4MPEG2: a line without an end")
    text = pipe.take(end + 1)[:-1]
    return text.decode("ascii", "replace")


def _jpeg_length(pipe: Pipe) -> int:
    """Bytes of the JPEG that the pipe is at, by its markers: thumbnails hold ends of their own."""
    at = len(_SOI)
    while at < _LARGEST:
        data = pipe.peek(at + 2)
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xD8:
            break  # damaged; what follows is searched for the next image
        if marker == 0xD9:
            return at + 2
        if marker == 0xFF:  # fill
            at += 1
        elif 0xD0 <= marker <= 0xD7:  # without a length
            at += 2
        else:
            at += 2 + int.from_bytes(pipe.peek(at + 4)[at + 2 : at + 4], "big")
            if marker == 0xDA:
                at = _scan_end(pipe, at)
    return at


def _scan_end(pipe: Pipe, at: int) -> int:
    """Where the marker after entropy-coded data is; FF 00 and restarts belong to the data."""
    while at < _LARGEST:
        data = pipe.peek(at + 2)
        marker = data.find(b"\xff", at)
        if not 0 <= marker < len(data) - 1:
            at = len(data) if marker < 0 else marker
        elif data[marker + 1] == 0 or 0xD0 <= data[marker + 1] <= 0xD7:
            at = marker + 2
        else:
            return marker
    return at
