from __future__ import annotations

import ncnn_files
import pytest
from ncnn_files import param

from edge.formats.ncnn import read_network
from edge.formats.ncnn_size import input_size
from edge.types import Size

CONV = "Convolution c 1 1 in a 0=8 1=3 3=32 4=1 6=216"
WEIGHTS = ncnn_files.arrays("t:216")


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        (("Input in 0 1 in", CONV), None),
        (("Input in 0 1 in 0=416 1=320 2=3", CONV), Size(320, 416)),
        (("Input in 0 1 in -23330=4,3,352,256,3", CONV), Size(256, 352)),
        (("Input in 0 1 in", CONV, "Reshape r 1 1 a b 0=169 1=8"), Size(416, 416)),
        (("Input in 0 1 in", CONV, "Reshape r 1 1 a b 0=-1 1=8"), None),
        (("Input in 0 1 in", CONV, "Reshape r 1 1 a b 0=170 1=8"), None),
    ],
)
def test_the_size_that_a_file_tells(lines, size):
    assert input_size(read_network(param(*lines), WEIGHTS)) == size


def test_a_constant_for_each_cell_tells_it():
    lines = (
        "Input in 0 1 in",
        CONV,
        "MemoryData m 0 1 m 0=10 1=10 2=8",
        "BinaryOp add 2 1 a m out",
    )
    weights = WEIGHTS + ncnn_files.arrays("r:800")
    assert input_size(
        read_network(
            param(
                *lines,
            ),
            weights,
        )
    ) == Size(320, 320)
