from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import SourceError
from edge.io.sources import camera, open_source
from edge.io.sources.camera import DeviceLocator


@pytest.fixture
def plug(tmp_path):
    """Makes the files that the kernel shows for a USB camera."""

    def plug(node: int, serial: str, port: str, index: int = 0, name: str = "") -> Path:
        interface = tmp_path / f"sys/devices/usb1/{port}/{port}:1.0"
        interface.mkdir(parents=True, exist_ok=True)
        if serial:
            (interface.parent / "serial").write_text(serial + "\n")
        folder = tmp_path / f"sys/class/video4linux/video{node}"
        folder.mkdir(parents=True)
        (folder / "index").write_text(f"{index}\n")
        (folder / "device").symlink_to(interface)
        device = tmp_path / f"dev/video{node}"
        device.parent.mkdir(exist_ok=True)
        device.touch()
        if name:
            by_id = tmp_path / "dev/v4l/by-id"
            by_id.mkdir(parents=True, exist_ok=True)
            (by_id / name).symlink_to(device)
        return device

    return plug


def unplug(root: Path, node: int) -> None:
    folder = root / f"sys/class/video4linux/video{node}"
    for path in (folder / "index", folder / "device", root / f"dev/video{node}"):
        path.unlink()
    folder.rmdir()


def test_a_missing_camera_is_an_error_that_names_it_and_what_there_is(capfd):
    with pytest.raises(SourceError) as error:
        open_source("99")
    there = sorted(Path("/dev").glob("video*"))
    assert str(error.value).startswith("camera 99: no /dev/video99; there is ")
    assert all(str(device) in str(error.value) for device in there)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("target", ["", "x", "/dev/sda", "-1"])
def test_what_is_no_index_device_or_name_is_refused(target):
    with pytest.raises(SourceError, match=r"a camera is an index, /dev/videoN, .* got"):
        camera.open_source(target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("size=640", "size is WIDTHxHEIGHT"),
        ("size=1x1", "each from 16"),
        ("fps=0", r"fps is from 0\.1"),
        ("format=H264", "format is one of YUYV, NV12"),
        ("formta=YUYV", "did you mean format"),
        ("fps=5&fps=6", "fps is given twice"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(SourceError, match=message):
        open_source(f"usb:0?{options}")


def test_other_cameras_are_listed_in_order(tmp_path):
    (tmp_path / "dev").mkdir()
    for name in ("video10", "video2", "video-dec0"):
        (tmp_path / "dev" / name).touch()
    with pytest.raises(SourceError, match=r"there is \S*/dev/video2, \S*/dev/video10$"):
        DeviceLocator("0", tmp_path).find()


def test_a_camera_without_permission_names_the_group(plug, tmp_path, monkeypatch):
    plug(0, "A1", "1-1")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may do anything
    with pytest.raises(SourceError, match="usermod -aG video"):
        DeviceLocator("0", tmp_path).find()


def test_a_camera_is_found_by_its_serial_number_on_its_capturing_node(plug, tmp_path):
    plug(0, "OTHER", "1-1")
    plug(2, "SN123", "1-2", index=1)
    expected = plug(3, "SN123", "1-2", index=0)
    result = DeviceLocator("SN123", tmp_path).find()
    assert result in (expected, tmp_path / "dev/video2")


def test_a_camera_is_found_by_its_name(plug, tmp_path):
    plug(0, "A1", "1-1")
    expected = plug(1, "B2", "1-2", name="usb-Maker_Cam_B2-video-index0")
    for name in ("usb-Maker_Cam_B2-video-index0", "/dev/v4l/by-id/usb-Maker_Cam_B2-video-index0"):
        assert DeviceLocator(name, tmp_path).find() == expected.resolve()


def test_a_camera_that_was_plugged_in_again_is_found_under_its_new_number(plug, tmp_path):
    first = plug(0, "SN1", "1-1")
    other = plug(1, "SN2", "1-2")
    locator, numbered = DeviceLocator("SN1", tmp_path), DeviceLocator("0", tmp_path)
    assert locator.find() == numbered.find() == first
    unplug(tmp_path, 0)
    with pytest.raises(SourceError, match="SN1: no such serial number or name; there is SN2"):
        locator.find()
    again = plug(5, "SN1", "1-1.4")
    assert locator.find() == numbered.find() == again
    assert other.exists()


def test_without_a_serial_number_it_is_the_node_that_counts(plug, tmp_path):
    node = plug(0, "", "1-1")
    locator = DeviceLocator("/dev/video0", tmp_path)
    assert locator.find() == locator.find() == node


def test_what_is_no_video_device_is_refused(plug, tmp_path):
    plug(0, "A1", "1-1")
    with pytest.raises(SourceError, match="video0: Inappropriate ioctl"):
        camera.open_source("0", root=tmp_path)
