"""Cameras: which are there, what they give, and whether they may be used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge import board
from edge.doctor.finding import Finding
from edge.io import v4l2


def check_cameras(root: Path) -> Iterator[Finding]:
    """Every node of the kernel's video devices, and the tools for CSI cameras."""
    cameras = 0
    nodes = sorted((root / "dev").glob("video[0-9]*"), key=lambda p: (len(p.name), p.name))
    for node in nodes:
        name = _name(root, node)
        if not os.access(node, os.R_OK | os.W_OK):
            yield Finding(
                "camera",
                "warning",
                f"{node}{name}: no permission",
                "Cameras belong to the group video, and this user is not in it.",
                "sudo usermod -aG video $USER, then log in again",
            )
            continue
        try:
            device = v4l2.query(node)
        except OSError as error:
            what = f"{node}{name}: {error.strerror or error}"
            yield Finding("camera", "note", what, "It does not answer as a video device does.")
            continue
        if device.captures and device.formats:
            cameras += 1
            formats = ", ".join(map(str, device.formats))
            yield Finding("camera", "ok", f"{node} ({device.card}): {formats}")
    if not cameras:
        there = f"{len(nodes)} video devices, none of which is one" if nodes else "no /dev/video*"
        yield Finding(
            "camera",
            "note",
            f"no camera that V4L2 reads: {there}",
            "Files and test:conveyor work without one.",
            "plug in a USB camera and look again: ls /dev/video*",
        )
    yield from _csi(root)


def _csi(root: Path) -> Iterator[Finding]:
    machine = board.identify(root)
    if machine.is_raspberry_pi:
        tools = [name for name in ("rpicam-vid", "libcamera-vid") if shutil.which(name)]
        if tools:
            listed = f"{tools[0].partition('-')[0]}-hello --list-cameras"
            yield Finding("CSI", "ok", f"{tools[0]} is there; {listed} lists the cameras")
        else:
            yield Finding(
                "CSI",
                "note",
                "no rpicam-vid",
                "Cameras on the CSI connector are read through libcamera.",
                "sudo apt-get install -y rpicam-apps",
            )
    elif machine.is_jetson:
        running = (root / "tmp/argus_socket").exists()
        yield Finding(
            "CSI",
            "ok" if running else "note",
            "the Argus camera service " + ("runs" if running else "does not run"),
            "" if running else "Cameras on the CSI connector are read through it.",
            "" if running else "sudo systemctl restart nvargus-daemon",
        )


def _name(root: Path, node: Path) -> str:
    try:
        name = (root / "sys/class/video4linux" / node.name / "name").read_text(errors="replace")
    except OSError:
        return ""
    return f" ({name.strip()})"
