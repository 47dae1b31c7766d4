from __future__ import annotations

import os
import threading

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.sources.pipe import Pipe
from edge.io.sources.wire import mjpeg, plane_shapes, raw, sniff, y4m
from edge.types import Size


@pytest.fixture
def piped():
    """A pipe through which bytes come in pieces."""
    threads = []

    def make(data: bytes, piece: int = 4096) -> Pipe:
        read, write = os.pipe()

        def feed():
            with os.fdopen(write, "wb", buffering=0) as stream:
                for at in range(0, len(data), piece):
                    stream.write(data[at : at + piece])

        threads.append((threading.Thread(target=feed), read))
        threads[-1][0].start()
        return Pipe(read, "test", threading.Event(), stall=30)

    yield make
    for thread, read in threads:
        while os.read(read, 1 << 16):
            pass
        thread.join()
        os.close(read)


def jpeg(level: int, *options: int) -> bytes:
    rows = np.random.default_rng(level).integers(0, 90, (48, 64, 3))
    image = (rows + level).astype(np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95, *options])[1].tobytes()


@pytest.mark.parametrize("piece", [1, 7, 4096])
@pytest.mark.parametrize(
    "options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)]
)
def test_jpegs_are_cut_where_they_end(piped, piece, options):
    expectation = [jpeg(level, *options) for level in (20, 80, 140)]
    between = b"\r\n--boundary\r\nContent-Type: image/jpeg\r\n\r\n"
    raw_frames = list(mjpeg(piped(between + between.join(expectation) + between, piece)))
    assert len(raw_frames) == 3
    for raw_frame, data in zip(raw_frames, expectation, strict=True):
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(raw_frame.planes[0], expected)


def test_an_end_inside_a_thumbnail_is_not_the_end(piped):
    data = jpeg(60)
    thumbnail = b"Exif\0\0" + jpeg(20)[:2000] + b"\xff\xd9"
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    (raw_frame,) = mjpeg(piped(data[:2] + segment + data[2:]))
    assert raw_frame.planes[0].shape == (48, 64, 3)


def test_a_damaged_jpeg_is_left_out_and_the_next_is_found(piped):
    good, bad = jpeg(60), jpeg(90)  # a decoder would fill up half an image with gray
    raw_frames = list(mjpeg(piped(good + bad[:-200] + good + bad[:1200] + good)))
    whole = [raw_frame for raw_frame in raw_frames if raw_frame is not None]
    assert (len(whole), len(raw_frames)) == (3, 5)
    expected = cv2.imdecode(np.frombuffer(good, np.uint8), cv2.IMREAD_COLOR)
    assert all(np.array_equal(raw_frame.planes[0], expected) for raw_frame in whole)


def test_a_jpeg_that_the_stream_ends_in_is_an_error(piped):
    raw_frames = mjpeg(piped(jpeg(60) + jpeg(90)[:500]))
    assert next(raw_frames) is not None
    with pytest.raises(SourceError, match="ended"):
        next(raw_frames)


@pytest.mark.parametrize("form", ["I420", "NV12", "YUYV", "BGR", "RGB", "GRAY"])
def test_raw_images_keep_their_planes(piped, form):
    shapes = plane_shapes(Size(4, 6), form)
    planes = [
        [np.random.default_rng(i).integers(0, 256, shape, np.uint8) for shape in shapes]
        for i in range(3)
    ]
    raw_frames = list(
        raw(piped(b"".join(p.tobytes() for frame in planes for p in frame), 5), Size(4, 6), form)
    )
    assert [raw_frame.format for raw_frame in raw_frames] == [form] * 3
    for raw_frame, expected in zip(raw_frames, planes, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(raw_frame.planes, expected, strict=True))


def test_a_torn_raw_image_is_an_error(piped):
    raw_frames = raw(piped(bytes(24 + 7)), Size(4, 6), "GRAY")
    next(raw_frames)
    with pytest.raises(SourceError, match="ended"):
        next(raw_frames)


def test_yuv4mpeg2_is_read_with_its_size(piped):
    frame = bytes(range(24)) + bytes([7] * 6) + bytes([9] * 6)
    data = (
        b"YUV4MPEG2 W6 H4 F30:1 Ip A1:1 C420jpeg XYSCSS=420\n"
        + b"FRAME\n"
        + frame
        + b"FRAME Ix\n"
        + frame
    )
    raw_frames = list(sniff(piped(data, 3)))
    assert len(raw_frames) == 2
    y, u, v = raw_frames[1].planes
    assert y.tobytes() == bytes(range(24))
    assert (u.shape, u[0, 0], v[0, 0]) == ((2, 3), 7, 9)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"YUV4MPEG2 W6 H4 C444\n", "4:2:0"),
        (b"YUV4MPEG2 W6 C420\n", "sides from 1"),
        (b"YUV4MPEG2 W99999999 H4\n", "sides from 1"),
        (b"YUV4MPEG2 W5 H4\n", "even sides"),
        (b"YUV4MPEG2 " + b"X" * 5000, "without an end"),
        (b"YUV4MPEG2 W6 H4\nIMAGE\n" + bytes(40), "FRAME is wanted"),
    ],
)
def test_hostile_headers_are_refused(piped, header, message):
    with pytest.raises(SourceError, match=message):
        list(y4m(piped(header)))


def test_what_is_neither_is_refused_with_what_could_be_done(piped):
    with pytest.raises(SourceError, match=r"\?size=WIDTHxHEIGHT&format=I420"):
        sniff(piped(b"\x1a\x45\xdf\xa3 matroska"))
    with pytest.raises(SourceError, match="before there was an image"):
        sniff(piped(b""))


def test_a_silent_pipe_is_an_error():
    read, write = os.pipe()
    pipe = Pipe(read, "camera", threading.Event(), stall=0.05)
    with pytest.raises(SourceError, match=r"camera: no frame for 0\.05 s"):
        pipe.peek(1)
    os.close(read)
    os.close(write)
