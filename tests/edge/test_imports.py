"""What `import edge` and the light commands bring into a process, and what they do not."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import edge
from edge.backends import BACKENDS
from edge.cli import COMMANDS

# The import names behind all optional dependencies, and what must stay a choice.
HEAVY = {
    "MNN",
    "ai_edge_litert",
    "calibration",
    "cv2",
    "flatbuffers",
    "ncnn",
    "onnx",
    "onnxruntime",
    "picamera2",
    "pycocotools",
    "requests",
    "tflite_runtime",
    "torch",
    "urllib3",
}

# Runs a statement; then prints, as JSON, the modules loaded and the sockets and connections made.
PROBE = """
import json, os, sys
before = set(sys.modules)
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith("socket.") else None)
out = os.dup(1)
os.dup2(2, 1)  # what the statement prints goes elsewhere
try:
    exec(sys.argv[1])
except SystemExit as exit:
    assert not exit.code, exit.code
sys.stdout.flush()
os.write(out, json.dumps([sorted(set(sys.modules) - before), seen]).encode())
"""


def effects(statement: str) -> tuple[set[str], list[str]]:
    """Top-level modules that a statement loads in a new process, and its socket events."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, statement], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    modules, sockets = json.loads(done.stdout)
    return {name.partition(".")[0] for name in modules}, sockets


def test_importing_edge_is_light_and_opens_no_socket():
    modules, sockets = effects("import edge")
    assert "edge" in modules
    assert not modules & HEAVY
    assert not sockets


def test_the_probe_notices_a_heavy_import_and_a_socket():
    modules, sockets = effects("import cv2, socket; socket.socket(socket.AF_UNIX).close()")
    assert "cv2" in modules & HEAVY
    assert sockets


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_light_and_opens_no_socket(command):
    words = [command, "--help"] if command else ["--help"]
    modules, sockets = effects(f"import edge.cli; edge.cli.main({words})")
    # Commands of the calibrator say what they are from its own, light modules.
    assert not modules & (HEAVY - {"calibration"})
    assert not sockets


def test_every_public_name_exists_and_is_listed_once():
    assert len(set(edge.__all__)) == len(edge.__all__)
    for name in edge.__all__:
        assert hasattr(edge, name)


def test_every_module_says_what_it_is_for():
    silent = []
    for module in pkgutil.walk_packages(edge.__path__, "edge."):
        path = Path(*module.name.split("."))
        file = Path(edge.__path__[0]).parent / path
        source = file / "__init__.py" if module.ispkg else file.with_suffix(".py")
        if source.is_file() and not ast.get_docstring(ast.parse(source.read_text())):
            silent.append(module.name)
    assert not silent


def test_every_command_has_a_module_with_help():
    for module in map(importlib.import_module, COMMANDS.values()):
        assert module.HELP
        assert callable(module.add_arguments)
        assert callable(module.run)


def test_every_backend_has_an_extra_of_its_name():
    assert set(BACKENDS) <= set(metadata("edge-yolo").get_all("Provides-Extra") or [])


def test_extras_are_those_promised():
    promised = {
        "all",
        "calibrate",
        "dev",
        "train",
        "eval",
        "gui",
        "mnn",
        "onnxruntime",
        "opencv",
        "tflite",
        "tflite-runtime",
    }
    assert promised <= set(metadata("edge-yolo").get_all("Provides-Extra") or [])
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == promised | {"ncnn"}


def test_what_a_board_installs_has_no_torch():
    required = metadata("edge-yolo").get_all("Requires-Dist") or []
    with_torch = {line for line in required if line.startswith("torch")}
    assert with_torch
    assert all('extra == "train"' in line for line in with_torch)
