"""Standard input, of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.sources import open_source

CODE = """
import sys
from edge.io.sources import open_source
for item in open_source(sys.argv[1]):
    what = item.planes[0].mean() if hasattr(item, "planes") else item.reason
    print(item.index, getattr(item, "format", None), what)
"""


def read(address: str, data: bytes) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", CODE, address],
        input=data,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )


def test_mjpeg_and_raw_images_are_read_to_the_end_and_a_torn_one_is_a_failure():
    jpegs = b"".join(
        cv2.imencode(".jpg", np.full((32, 32, 3), level, np.uint8))[1].tobytes()
        for level in (40, 80)
    )
    done = read("-", jpegs + jpegs[:300])
    lines = done.stdout.decode().splitlines()
    assert lines[:2] == ["0 BGR 40.0", "1 BGR 80.0"]
    assert lines[2].startswith("2 None standard input ended")
    assert len(lines) == 3

    done = read("-?size=32x16&format=I420", (bytes([50]) * 512 + bytes([128]) * 256) * 3)
    assert done.stdout.decode().splitlines() == [f"{i} I420 50.0" for i in range(3)]


def test_nothing_and_something_else_are_errors():
    assert b"before there was an image" in read("-", b"").stderr
    assert b"neither JPEG images nor YUV4MPEG2" in read("-", b"RIFF....AVI LIST").stderr


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("-?size=8x8&format=I420", "each from 16"),
        ("-?size=64x64", "both size and format"),
        ("-?size=63x64&format=I420", "even sides"),
        ("-?size=64x64&format=H264", "format is one of I420"),
        ("stdin:x", "wanted -, or"),
    ],
)
def test_wrong_options_are_refused(address, message):
    with pytest.raises(SourceError, match=message):
        open_source(address)
