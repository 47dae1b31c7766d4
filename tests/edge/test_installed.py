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
    found = installed.circumstances("ncnn")
    assert found["python"] == platform.python_version()
    assert found["edge-yolo"] == edge.__version__
    assert {"numpy", "ncnn"} <= found.keys()
