from __future__ import annotations

import os
import struct
import time
import zlib

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.sources import open_source
from edge.io.sources.images import read_image
from edge.types import Failure, Frame


def names(source):
    return [item.source.rpartition("/")[2] for item in source]


def test_a_folder_gives_its_images_in_name_order(save_image, tmp_path):
    for name in ("b.png", "a.jpg", "10.bmp", "9.JPG", "ä.webp"):
        save_image(f"photos/{name}")
    save_image("photos/deeper/c.jpg")
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    (tmp_path / "photos" / "x.jpg").mkdir()
    save_image("photos/._a.jpg")  # what macOS leaves on memory cards
    source = open_source(f"{tmp_path}/photos")
    assert source.count == 5
    assert not source.live
    assert source.rate is None
    assert names(source) == ["10.bmp", "9.JPG", "a.jpg", "b.png", "ä.webp"]
    assert [item.index for item in source] == [0, 1, 2, 3, 4]
    assert [file.name for file in source.files] == names(source)


def test_the_source_of_a_frame_is_the_path_as_given(save_image, tmp_path, monkeypatch):
    save_image("photos/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert [i.source for i in open_source("photos/")] == ["photos/a.jpg"]
    assert [i.source for i in open_source("./photos/a.jpg")] == ["./photos/a.jpg"]
    assert [i.source for i in open_source("ph*/*.jpg")] == ["photos/a.jpg"]


def test_a_glob_crosses_folders_with_two_stars(save_image, tmp_path):
    for name in ("x.jpg", "b/x.jpg", "b/c/y.png"):
        save_image(name)
    (tmp_path / "b" / "z.txt").touch()
    assert [i.source for i in open_source(f"{tmp_path}/**/*")] == [
        f"{tmp_path}/b/c/y.png",
        f"{tmp_path}/b/x.jpg",
        f"{tmp_path}/x.jpg",
    ]


def test_a_broken_image_in_the_middle_is_a_failure_and_the_rest_goes_on(save_image, tmp_path):
    save_image("a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"not an image")
    save_image("c.jpg")
    before = time.time()
    first, second, third = open_source(str(tmp_path))
    assert isinstance(first, Frame)
    assert isinstance(third, Frame)
    assert second == Failure(1, second.time, f"{tmp_path}/b.jpg", second.reason)
    assert "not an image" in second.reason
    assert (first.index, third.index) == (0, 2)
    assert before <= first.time <= second.time <= third.time <= time.time()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(height: int, width: int, color: int, pixels: bytes, *chunks: bytes) -> bytes:
    """A PNG of 8 bits, as the specification has it; color 0 is gray, 3 a palette."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0))
    body = b"".join(chunks) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"hello", "not an image"),
        ("huge.png", png(60_000, 60_000, 0, b""), "CV_IO_MAX_IMAGE_PIXELS"),
        ("cut.png", png(100, 100, 0, bytes(10_100))[:50], "not an image"),
    ],
)
def test_one_unreadable_image_is_a_failure_of_one_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    (item,) = open_source(f"{tmp_path}/{name}")
    assert isinstance(item, Failure)
    assert reason in item.reason
    assert "\n" not in item.reason


def test_a_link_to_nowhere_is_a_failure(save_image, tmp_path):
    save_image("a.jpg")
    (tmp_path / "b.jpg").symlink_to("gone.jpg")
    _, item = open_source(str(tmp_path))
    assert isinstance(item, Failure)
    assert item.reason == "No such file or directory"


def test_a_folder_or_glob_without_images_is_an_error_that_names_it(tmp_path):
    (tmp_path / "notes.txt").touch()
    for address in (str(tmp_path), f"{tmp_path}/*", f"{tmp_path}/*.jpg"):
        with pytest.raises(SourceError) as error:
            open_source(address)
        assert str(error.value).startswith(f"{address}: ")


def exif(orientation: int) -> bytes:
    """The APP1 segment of a JPEG: a little-endian TIFF with one tag, 0x0112."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff


# What turns the stored image upright: TIFF 6.0, tag Orientation.
UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_exif_orientation_is_applied(tmp_path, orientation):
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :16] = (0, 0, 255)
    image[16:, 32:] = (255, 0, 0)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    (tmp_path / "turned.jpg").write_bytes(data[:2] + exif(orientation) + data[2:])
    precision = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    (frame,) = open_source(f"{tmp_path}/turned.jpg")
    want = UPRIGHT[orientation](precision)
    assert frame.planes[0].shape == want.shape
    assert np.array_equal(frame.planes[0] > 128, want > 128)


@pytest.mark.parametrize(
    ("name", "pixels", "want"),
    [
        ("gray.png", np.full((4, 6), 77, np.uint8), 77),
        ("gray16.png", np.full((4, 6), 0x9C40, np.uint16), 0x9C),
        ("color16.tif", np.full((4, 6, 3), 0x9C40, np.uint16), 0x9C),
        ("alpha.png", np.full((4, 6, 4), 90, np.uint8), 90),
        ("plain.pgm", np.full((4, 6), 90, np.uint8), 90),
    ],
)
def test_every_depth_becomes_8_bit_bgr(tmp_path, name, pixels, want):
    cv2.imwrite(str(tmp_path / name), pixels)
    image = read_image(str(tmp_path / name))
    assert image.dtype == np.uint8
    assert np.array_equal(image, np.full((4, 6, 3), want, np.uint8))


def test_a_palette_becomes_bgr(tmp_path):
    palette = chunk(b"PLTE", bytes((255, 0, 0, 0, 0, 255)))
    (tmp_path / "p.png").write_bytes(png(1, 2, 3, bytes((0, 0, 1)), palette))
    assert read_image(str(tmp_path / "p.png")).tolist() == [[[0, 0, 255], [255, 0, 0]]]


@pytest.mark.parametrize("name", ["日本 ü.png", "a:b%02d.png", "\udcff.png"])
def test_any_file_name_is_read(save_image, tmp_path, name):
    save_image("plain.png").rename(tmp_path / name)
    (frame,) = open_source(f"{tmp_path}/{name}")
    assert isinstance(frame, Frame)
    assert frame.source == f"{tmp_path}/{name}"


def test_a_pipe_in_a_folder_is_passed_over(save_image, tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    save_image("b.jpg")
    assert names(open_source(str(tmp_path))) == ["b.jpg"]
    assert names(open_source(f"{tmp_path}/*.jpg")) == ["b.jpg"]
