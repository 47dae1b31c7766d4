from __future__ import annotations

import platform

import numpy as np

import edge
from edge import installed
from edge.backends import BACKENDS


def test_every_backend_has_its_packages():
    assert installed.RUNTIMES.keys() == BACKENDS.keys()


def test_gives_the_versions_of_what_is_there():
    assert installed.versions(["numpy", "no-such-package"]) == {"numpy": np.__version__}


def test_circumstances_name_python_ours_and_the_runtime():
    result = installed.circumstances("ncnn")
    assert result["python"] == platform.python_version()
    assert result["edge-yolo"] == edge.__version__
    assert {"numpy", "ncnn"} <= result.keys()
