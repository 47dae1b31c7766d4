"""The examples in the docstrings of the public names, run."""

from __future__ import annotations

import doctest
import shutil

import pytest
from cells import BCCD, smear

import calibration
import edge
from edge import ops

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (edge, ops, calibration)
    for name in module.__all__
    if callable(getattr(module, name))
} | {"edge.ops": ops}


def examples(name):
    """The examples of a public name, those of its methods too."""
    result = doctest.DocTestFinder().find(PUBLIC[name], name, globs={})
    return [test for test in result if test.examples]


def cells(folder):
    """A float model, and images on which it finds something."""
    cv2 = pytest.importorskip("cv2")
    (folder / "images").mkdir()
    for seed in range(12):
        cv2.imwrite(str(folder / "images" / f"{seed}.png"), smear(seed))
    shutil.copytree(BCCD, folder / "cells.edge")


@pytest.mark.parametrize("name", [name for name in PUBLIC if examples(name)])
def test_examples_work(name, tmp_path, monkeypatch):
    if name.startswith("calibration."):
        for package in ("onnx", "onnxruntime", "ncnn"):
            pytest.importorskip(package, reason="calibration needs the extra calibrate")
        cells(tmp_path)
    monkeypatch.chdir(tmp_path)
    runner, answer = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
    for test in examples(name):
        runner.run(test, out=answer.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(answer)


# Values that another name's example returns, and what is raised.
RETURNED = {"calibration.Calibration", "calibration.Conversion", "calibration.GateFailedError"}


def test_every_public_name_of_the_packages_has_an_example():
    assert {
        name
        for name in PUBLIC
        if name.count(".") == 1 and name != "edge.ops" and not examples(name)
    } == RETURNED
