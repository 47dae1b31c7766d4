"""The codes by which cameras are asked for pixel formats; real devices are in tests/arm."""

from __future__ import annotations

from edge.io.sources.v4l2 import FORMATS

# Of linux/videodev2.h, so not ours to spell.
KERNEL = {"YUYV", "NV12", "YU12", "BGR3", "RGB3", "GREY", "MJPG"}  # codespell:ignore


def test_formats_are_asked_for_by_the_codes_of_the_kernel():
    assert set(FORMATS) == KERNEL
