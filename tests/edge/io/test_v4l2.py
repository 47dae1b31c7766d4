from __future__ import annotations

import errno
import struct

import pytest

from edge.io import v4l2
from edge.io.v4l2 import CAPTURE, CAPTURE_PLANES, OWN_CAPS, Format, query


def driver(caps, own, formats):
    """The ioctl of a device: formats are (code, [(width, height)] or a stepwise range)."""

    def fourcc(code):
        return struct.unpack("<I", code.encode())[0]

    def end():
        raise OSError(errno.EINVAL, "Invalid argument")

    def ioctl(_, request, buffer):
        if request == v4l2.QUERYCAP:
            struct.pack_into("=16s32s32sIII", buffer, 0, b"uvc", b"HD Camera", b"usb", 1, caps, own)
        elif request == v4l2.ENUM_FMT:
            index, kind = struct.unpack_from("=II", buffer)
            assert kind == (1 if (own or caps) & CAPTURE else 9)
            if index >= len(formats):
                end()
            struct.pack_into("=I32sI", buffer, 8, 0, b"text", fourcc(formats[index][0]))
        else:
            assert request == v4l2.ENUM_FRAMESIZES
            index, code = struct.unpack_from("=II", buffer)
            sizes = next(sizes for name, sizes in formats if fourcc(name) == code)
            if isinstance(sizes, list):
                if index >= len(sizes):
                    end()
                struct.pack_into("=3I", buffer, 8, 1, *sizes[index])
            elif index:
                end()
            else:
                width, height = sizes
                struct.pack_into("=7I", buffer, 8, 3, 32, width, 2, 32, height, 2)
        return 0

    return ioctl


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "video0"
    path.touch()
    return path


def test_lists_the_formats_of_a_usb_camera(node):
    formats = [("MJPG", [(640, 480), (1920, 1080), (1280, 720)]), ("YUYV", [(640, 480)])]
    result = query(node, driver(0x84A00001, CAPTURE, formats))
    assert (result.card, result.captures) == ("HD Camera", True)
    assert result.formats == (Format("MJPG", (1920, 1080)), Format("YUYV", (640, 480)))
    assert list(map(str, result.formats)) == ["MJPG to 1920x1080", "YUYV to 640x480"]


def test_reads_ranges_of_sizes_and_planes(node):
    result = query(node, driver(CAPTURE_PLANES, 0, [("NV12", (3840, 2160))]))
    assert result.formats == (Format("NV12", (3840, 2160)),)


def test_a_format_without_sizes_is_one(node):
    result = query(node, driver(CAPTURE, 0, [("GREY", [])]))  # codespell:ignore
    assert list(map(str, result.formats)) == ["GREY"]  # codespell:ignore


@pytest.mark.parametrize(
    ("caps", "own"),
    [
        (OWN_CAPS | CAPTURE, 0x00800000),  # the metadata node of a camera
        (0x4000, 0),  # a codec
        (0x8000 | CAPTURE, 0),
    ],
)
def test_other_nodes_do_not_capture(node, caps, own):
    result = query(node, driver(caps, own, [("YUYV", [])]))
    assert not result.captures
    assert result.formats == ()


def test_a_driver_that_never_ends_its_list_does_not_hold_us(node):
    plain = driver(CAPTURE, 0, [("YUYV", [(640, 480)])])

    def endless(fd, request, buffer):
        if request != v4l2.QUERYCAP:
            struct.pack_into("=I", buffer, 0, 0)
        return plain(fd, request, buffer)

    assert len(query(node, endless).formats) == 64


def test_a_file_that_is_no_device_is_an_os_error(node):
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        query(node)


def test_the_sizes_in_the_request_numbers_are_those_of_the_buffers(node):
    known = {}
    plain = driver(CAPTURE, 0, [("YUYV", [(1, 1)])])

    def watch(fd, request, buffer):
        known[request] = len(buffer)
        return plain(fd, request, buffer)

    query(node, watch)
    assert len(known) == 3
    assert all(request >> 16 & 0x3FFF == size for request, size in known.items())
