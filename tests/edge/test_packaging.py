"""The source distribution, the wheel made from it, and that wheel in a new environment.

Takes the package index that pip is configured with, as an installation does.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import surroundings

import edge
from edge.backends import BACKENDS

ROOT = Path(__file__).parents[2]
WHEEL_LIMIT = 8 << 20  # bytes

pytestmark = pytest.mark.slow


def call(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """Run a command outside the checkout, with this machine's compiler and package index.

    Returns what it printed, errors included.
    """
    unset = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    clean = {k: v for k, v in surroundings.MACHINE.items() if k not in unset}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel built from what the sdist holds."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    call(*build, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def sdist(dist) -> Path:
    return next(dist.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    return next(dist.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A new virtual environment with the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    call(folder / "venv/bin/pip", "install", "-qq", wheel, cwd=folder)
    return folder


def test_the_sdist_has_the_sources_and_not_the_tests(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "CMakeLists.txt", "LICENSE", "native/bindings/module.cpp"} <= names
    assert {"edge/docs/README.md", "calibration/docs/README.md"} <= names  # the README links there
    assert not {name.partition("/")[0] for name in names} & {"tests", ".ci", "build", ".github"}


def test_the_wheel_has_the_package_its_types_and_its_license_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert len([name for name in names if re.fullmatch(r"edge/_native\..*\.so", name)]) == 1
    assert {"edge/py.typed", "edge/_native.pyi", "calibration/py.typed"} <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"edge", "calibration", f"edge_yolo-{edge.__version__}.dist-info"}
    assert not [name for name in names if "/docs/" in name]  # read in the sources
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "edge").rglob("*.py")}
    assert ours <= names
    probe = {f"edge/doctor/models/probe.{kind}" for kinds in BACKENDS.values() for kind in kinds}
    assert probe | {"edge/doctor/models/found.npy"} <= names


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size <= WHEEL_LIMIT


def test_versions_agree(sdist, wheel):
    assert sdist.name == f"edge_yolo-{edge.__version__}.tar.gz"
    assert wheel.name.startswith(f"edge_yolo-{edge.__version__}-cp3")


def test_the_installed_command_runs(installed):
    text = call(installed / "venv/bin/edge", "--version", cwd=installed)
    assert text.strip() == f"edge {edge.__version__}"


def test_the_installed_kernels_run(installed):
    code = "import edge, edge.ops as o; print(edge.__file__); print(*o.targets())"
    path, targets = call(installed / "venv/bin/python", "-c", code, cwd=installed).splitlines()
    assert path.startswith(str(installed))
    assert targets


def test_dependencies_are_satisfied(installed):
    assert "No broken requirements" in call(installed / "venv/bin/pip", "check", cwd=installed)


def test_a_missing_extra_is_named(installed, shared):
    model = shared / "models" / "yolov6lite" / "yolov6-lite-s.param"
    image = min((shared / "data" / "coco" / "val" / "images").glob("*.jpg"))
    command = ["run", "--model", model, "--source", image, "--json"]
    text = call(installed / "venv/bin/edge", *command, cwd=installed, status=1)
    assert "pip install 'edge-yolo[opencv]'" in text
    assert "Traceback" not in text
