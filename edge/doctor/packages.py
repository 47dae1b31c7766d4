"""Python, NumPy, the kernels, OpenCV and the runtimes: installed, loadable, right, compatible."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge import board, child, installed, redaction
from edge.doctor.finding import Finding, Level
from edge.errors import BackendError

_PATIENCE = 120.0  # seconds: the first import from a slow card takes long


def check_python(_: Path) -> Iterator[Finding]:
    """The interpreter, NumPy and our own kernels."""
    where = "a virtual environment" if sys.prefix != sys.base_prefix else "no virtual environment"
    yield Finding("Python", "ok", f"{platform.python_version()}, {where}: {sys.prefix}")
    numpy = _try("numpy")
    if "failed" in numpy:
        yield Finding(
            "NumPy",
            "error",
            numpy["failed"],
            "Everything here needs it.",
            "sudo apt-get install -y libopenblas0"
            if "openblas" in numpy["failed"]
            else f"{sys.executable} -m pip install --force-reinstall numpy",
        )
        return
    yield Finding("NumPy", "ok", numpy["version"])
    kernels = _try("kernels")
    reinstall = f"{sys.executable} -m pip install --force-reinstall --no-deps edge-yolo"
    if "failed" in kernels:
        why = "Letterbox, decoding and suppression are in it."
        yield Finding("kernels", "error", kernels["failed"], why, reinstall)
    elif not kernels["equal"]:
        what = f"{', '.join(kernels['targets'])} do not give the same image"
        yield Finding("kernels", "error", what, "Detections cannot be trusted.", reinstall)
    else:
        yield Finding("kernels", "ok", ", ".join(kernels["targets"]))


def check_opencv(root: Path) -> Iterator[Finding]:
    """OpenCV: present once, loadable, and with what cameras need."""
    several = installed.versions(installed.OPENCV)
    if len(several) > 1:
        yield Finding(
            "OpenCV",
            "warning",
            f"{len(several)} packages that share their files: {', '.join(several)}",
            "Which one is imported is chance, and removing one breaks the other.",
            f"pip uninstall -y {' '.join(several)}; pip install opencv-python-headless",
        )
    result = _try("opencv")
    if "failed" in result:
        yield Finding(
            "OpenCV", "error", result["failed"], *_opencv_remedy(result["failed"], several)
        )
        return
    parts = [name for name in ("v4l2", "ffmpeg", "gstreamer") if result[name]]
    yield Finding("OpenCV", "ok", f"{result['version']} with {', '.join(parts) or 'nothing'}")
    if not result["gstreamer"] and board.identify(root).is_jetson:
        yield Finding(
            "OpenCV",
            "warning",
            f"without GStreamer: {result['path']}",
            "A CSI camera of a Jetson is read through GStreamer. The system's OpenCV has it; one "
            "from pip hides it.",
            f"pip uninstall -y {' '.join(several) or 'opencv-python-headless'}; "
            f"sudo apt-get install -y python3-opencv; {_open_venv()}",
        )


def check_runtimes(_: Path) -> Iterator[Finding]:
    """Each runtime, in a process of its own: imported, and run on a tiny network."""
    working = 0
    for name, packages in installed.RUNTIMES.items():
        result = _try("backend", backend=name)
        versions = ", ".join(f"{k} {v}" for k, v in installed.versions(packages).items())
        install = f"pip install 'edge-yolo[{name}]'"
        broken: Level = "error" if name == "ncnn" else "warning"  # ncnn is part of the core
        if "failed" in result:
            yield Finding(
                name,
                broken,
                f"{versions or 'installed'}: {result['failed']}",
                f"Models for {name} will not run.",
                _runtime_remedy(name, result["failed"]),
            )
        elif not result["installed"]:
            if broken == "error":
                yield Finding(name, broken, result["why"], "It is the usual runtime.", install)
            else:
                yield Finding(name, "note", "not installed", f"For models of {name} only.", install)
        elif result["wrong"]:
            precisions = " and ".join(result["wrong"])
            yield Finding(
                name,
                broken,
                f"{versions} computes wrongly in {precisions}: off by {result['off']:.0%} of the "
                "largest value on the probe network",
                "What it finds cannot be trusted on this CPU.",
                _runtime_remedy(name, ""),
            )
        else:
            working += 1
            proof = f"right on the probe network in {' and '.join(result['precisions'])}"
            yield Finding(name, "ok", f"{versions or 'installed'}, {proof}")
    if not working:
        yield Finding(
            "runtimes",
            "error",
            "none works",
            "Without one no model runs.",
            "pip install --force-reinstall ncnn",
        )


def check_picamera(root: Path) -> Iterator[Finding]:
    """Libcamera and picamera2: within reach of this interpreter or not."""
    system = root / "usr/lib/python3/dist-packages"
    there = (system / "picamera2").is_dir() or (system / "libcamera").is_dir()
    if not (there or board.identify(root).is_raspberry_pi):
        return
    result = _try("module", module="picamera2")
    if "failed" not in result:
        yield Finding("picamera2", "ok", "within reach")
    elif not there:
        yield Finding(
            "picamera2",
            "note",
            "not installed",
            "For cameras on the CSI connector; rpicam-vid does as well.",
            "sudo apt-get install -y python3-picamera2",
        )
    elif "No module named 'picamera2'" in result["failed"]:
        yield Finding(
            "picamera2",
            "note",
            f"installed for the system's Python, out of reach of {sys.prefix}",
            "For cameras on the CSI connector; rpicam-vid does as well.",
            _open_venv(),
        )
    else:
        mixed = "numpy" in result["failed"].lower()
        yield Finding(
            "picamera2",
            "warning",
            result["failed"],
            "The system's picamera2 was built for another NumPy than this environment has."
            if mixed
            else "Cameras on the CSI connector will not open through it; rpicam-vid does as well.",
            "pip install 'numpy<2' 'opencv-python-headless<4.12'"
            if mixed
            else "sudo apt-get install -y --reinstall python3-picamera2 python3-libcamera",
        )


def try_run(model: Path | None, source: str | None) -> Iterator[Finding]:
    """What `edge run` does with this model and this source, for one frame."""
    for address in (str(model or ""), source or ""):
        redaction.remember(address)
    words = [("--model", model), ("--source", source)]
    name = " ".join(f"{option} {value}" for option, value in words if value is not None)
    task = {"model": None if model is None else str(model), "source": source or "test:conveyor"}
    result = _try("run", **task)
    if "failed" in result:
        what = f"{name}: {result['failed']}"
        yield Finding("edge run", "error", what, "This is what `edge run` would say.")
        return
    detected = f", {result['found']} detections ({result['family']} {result['precision']})"
    yield Finding("edge run", "ok", f"{name}: {result['frame']}{detected if model else ''}")


def _try(what: str, **task: object) -> dict[str, Any]:
    """The answer of a trial; {"failed": why} where it has none."""
    try:
        return child.call("edge.doctor.probe", {"try": what, **task}, timeout=_PATIENCE)
    except BackendError as error:
        return {"failed": str(error)}


def _opencv_remedy(failure: str, several: dict[str, str]) -> tuple[str, str]:
    why = "Images, videos and cameras are read with it."
    if "libGL" in failure:
        return why, "pip uninstall -y opencv-python; pip install opencv-python-headless"
    if "numpy" in failure.lower():
        return (
            f"{why} It was built for another NumPy.",
            "pip install --upgrade numpy opencv-python-headless",
        )
    if several:
        names = " ".join(several)
        return why, f"pip uninstall -y {names}; pip install opencv-python-headless"
    return why, "pip install 'edge-yolo[opencv]'"


def _runtime_remedy(name: str, failure: str) -> str:
    packages = " ".join(installed.versions(installed.RUNTIMES[name])) or installed.RUNTIMES[name][0]
    if "numpy" in failure.lower() or "_ARRAY_API" in failure:
        return f"pip install --upgrade {packages} numpy"
    if "SIGILL" in failure:
        return f"pip uninstall -y {packages}, and choose another backend"
    return f"pip install --force-reinstall {packages}"


def _open_venv() -> str:
    """Lets this virtual environment see the system's packages."""
    if sys.prefix == sys.base_prefix:
        return "use the system's Python: /usr/bin/python3"
    old, new = (f"include-system-site-packages = {value}" for value in ("false", "true"))
    return f"sed -i 's/{old}/{new}/' {sys.prefix}/pyvenv.cfg"
