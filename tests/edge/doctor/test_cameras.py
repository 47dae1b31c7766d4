from __future__ import annotations

import os

import boards
import pytest

from edge.doctor import cameras
from edge.doctor.cameras import check_cameras
from edge.io import v4l2
from edge.io.v4l2 import Device, Format


@pytest.fixture
def answers(monkeypatch):
    """What nodes say when asked, by name."""
    table = {}
    monkeypatch.setattr(v4l2, "query", lambda path: table[path.name])
    return table


def nodes(root, *names):
    return boards.write(root, {f"dev/{name}": "" for name in names})


def test_lists_cameras_with_their_formats_and_not_their_other_nodes(tmp_path, answers):
    answers["video0"] = Device("HD Camera", True, (Format("MJPG", (1920, 1080)),))
    answers["video1"] = Device("HD Camera", False, ())
    (result,) = check_cameras(nodes(tmp_path, "video0", "video1"))
    assert result.level == "ok"
    assert result.what.endswith("video0 (HD Camera): MJPG to 1920x1080")


def test_a_board_without_a_camera_is_no_mistake(tmp_path):
    (result,) = check_cameras(tmp_path)
    assert result.level == "note"
    assert "no /dev/video*" in result.what


def test_devices_that_are_no_cameras_are_counted(tmp_path, answers):
    answers["video10"] = Device("bcm2835-codec", False, ())
    (result,) = check_cameras(nodes(tmp_path, "video10"))
    assert "1 video devices, none of which is one" in result.what


def test_a_file_in_place_of_a_device_is_a_finding(tmp_path):
    root = boards.write(nodes(tmp_path, "video0"), {"sys/class/video4linux/video0/name": "Cam\n"})
    odd, _ = check_cameras(root)
    assert "video0 (Cam): Inappropriate ioctl" in odd.what


def test_a_camera_without_permission_names_the_group(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    denied, _ = check_cameras(nodes(tmp_path, "video0"))
    assert denied.level == "warning"
    assert denied.fix == "sudo usermod -aG video $USER, then log in again"


@pytest.mark.parametrize(("tool", "level"), [(None, "note"), ("rpicam-vid", "ok")])
def test_a_raspberry_pi_is_asked_for_its_camera_tools(tmp_path, monkeypatch, tool, level):
    monkeypatch.setattr(cameras.shutil, "which", lambda name: name if name == tool else None)
    *_, csi = check_cameras(boards.pi5(tmp_path))
    assert (csi.check, csi.level) == ("CSI", level)
    assert ("apt-get install" in csi.fix) == (tool is None)


@pytest.mark.parametrize("running", [False, True])
def test_a_jetson_is_asked_for_its_camera_service(tmp_path, running):
    root = boards.orin(tmp_path)
    if running:
        boards.write(root, {"tmp/argus_socket": ""})
    *_, csi = check_cameras(root)
    assert csi.level == ("ok" if running else "note")
