"""One detector and several threads or processes: right results, or an error."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edge.backends import BACKENDS
from edge.detector import Detector
from edge.errors import BackendError
from edge.io.sources import open_source

MODEL = Path(__file__).parents[1] / "models" / "bccd-yolov6n.edge"


@pytest.fixture(scope="module")
def package():
    pytest.importorskip("onnx")
    from every_backend import converted

    return converted(MODEL, side=64)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    sources = (open_source(f"test:conveyor?frames=1&seed={seed}") for seed in range(3))
    frames = [next(iter(source)).planes[0] for source in sources]
    return [*frames, rng.integers(0, 256, (90, 70, 3), np.uint8)]


def loaded(package, backend):
    return Detector.load(package, backend=backend, threads=1, conf=0.001)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_that_share_one_get_their_own_image_s_boxes(package, images, backend):
    with loaded(package, backend) as detector:
        alone = [detector(image) for image in images]
        assert len({len(each) for each in alone} | {float(each.scores.sum()) for each in alone}) > 2
        order = [i % len(images) for i in range(200)]
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda i: detector(images[i]), order))
    for i, result in zip(order, results, strict=True):
        np.testing.assert_array_equal(result.boxes, alone[i].boxes)
        np.testing.assert_array_equal(result.scores, alone[i].scores)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_closed_one_says_so_and_closes_again(package, images, backend):
    detector = loaded(package, backend)
    detector.close()
    with pytest.raises(BackendError, match="the detector is closed"):
        detector(images[0])
    detector.close()


def test_a_forked_process_is_told_to_load_its_own(images):
    with Detector.load(MODEL, threads=1) as detector:
        detector(images[0])
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:  # no exception may leave: pytest would run on here
            words = b"failed"
            try:
                detector(images[0])
                words = b"computed"
            except BackendError as error:
                words = str(error).encode()
            finally:
                detector.close()
                os.write(writing, words)
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read().decode()
        assert "load it in the process that uses it" in answer
        detector(images[0])  # the parent's still computes
