from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import SourceError
from edge.io.sources import camera, open_source


def test_a_missing_camera_is_an_error_that_names_it_and_what_there_is(capfd):
    with pytest.raises(SourceError) as error:
        open_source("99")
    there = sorted(Path("/dev").glob("video*"))
    assert str(error.value).startswith("camera 99: no /dev/video99; there is ")
    assert all(str(device) in str(error.value) for device in there)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("target", ["", "x", "/dev/sda", "-1", "12345"])
def test_what_is_no_index_or_device_is_refused(target):
    with pytest.raises(SourceError, match=r"an index or /dev/videoN, got"):
        camera.open_source(target)


def test_other_cameras_are_listed_in_order(tmp_path):
    for name in ("video10", "video2", "video-dec0"):
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=r"there is /dev/video2, /dev/video10$"):
        camera._check(0, tmp_path / "video0")


def test_a_camera_without_permission_names_the_group(tmp_path, monkeypatch):
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr("os.access", lambda *_: False)  # root may do anything
    with pytest.raises(SourceError, match="usermod -aG video"):
        camera._check(0, device)
