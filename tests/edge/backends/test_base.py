from __future__ import annotations

import pytest

from edge.backends.base import BackendOptions


@pytest.mark.parametrize("threads", [-1, 257])
def test_an_absurd_number_of_threads_is_refused(threads):
    with pytest.raises(ValueError, match=r"0 \(one per core\) to 256, got -?\d+"):
        BackendOptions(threads=threads)


@pytest.mark.parametrize("precision", ["foo", "FP16", ""])
def test_a_precision_that_is_none_is_refused_with_the_known_ones(precision):
    with pytest.raises(ValueError, match="one of fp32, fp16, int8, got"):
        BackendOptions(precision=precision)


def test_a_device_that_is_none_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="one of cpu, vulkan, cuda, tensorrt, got 'gpu'"):
        BackendOptions(device="gpu")
