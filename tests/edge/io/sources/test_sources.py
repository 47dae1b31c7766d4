from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

from edge.errors import SourceError
from edge.io.sources import SOURCES, open_source


@pytest.mark.parametrize("scheme", SOURCES)
def test_every_scheme_has_a_module_that_refuses_what_is_not_there(scheme):
    with pytest.raises(SourceError, match="/nowhere/at-all"):
        import_module(SOURCES[scheme]).open_source("/nowhere/at-all")
    with pytest.raises(SourceError, match="/nowhere/at-all"):
        open_source(f"{scheme}:/nowhere/at-all")


@pytest.mark.parametrize("address", ["", "a\0b.jpg"])
def test_what_cannot_be_an_address_is_refused(address):
    with pytest.raises(SourceError, match="not an address"):
        open_source(address)


def test_what_does_not_exist_is_named_with_what_could_have_been(tmp_path):
    with pytest.raises(SourceError) as error:
        open_source(f"{tmp_path}/missing.jpg")
    message = str(error.value)
    assert f"{tmp_path}/missing.jpg: no such file" in message
    assert all(f"{scheme}:" in message for scheme in SOURCES)


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(SourceError, match=r"mipi:0: .*usb:"):
        open_source("mipi:0")


@pytest.mark.parametrize("address", ["9987", "/dev/video9987", "usb:9987", "usb:/dev/video9987"])
def test_a_number_or_device_is_a_camera(address):
    with pytest.raises(SourceError, match="camera 9987: no /dev/video9987"):
        open_source(address)


def test_an_existing_path_wins_over_a_glob(save_image, tmp_path):
    save_image("photos [1]/x.jpg")
    (frame,) = open_source(f"{tmp_path}/photos [1]")
    assert frame.source == f"{tmp_path}/photos [1]/x.jpg"


def test_a_file_is_an_image_by_suffix_else_by_content(save_image, save_video, tmp_path):
    assert open_source(str(save_image("x.jpg"))).rate is None
    bare = save_image("y.png").rename(tmp_path / "bare")
    assert open_source(str(bare)).rate is None
    assert open_source(str(save_video("v.mp4"))).rate == 10.0


def test_a_scheme_overrides_the_suffix(save_image):
    photo = save_image("x.jpg")
    assert open_source(f"images:{photo}").rate is None
    video = open_source(f"video:{photo}")
    assert video.rate is not None
    video.close()


def test_importing_the_table_imports_no_opencv():
    code = "import sys, edge.io.sources, edge.io.sinks; sys.exit('cv2' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


def test_an_existing_path_wins_over_a_camera(save_image, tmp_path, monkeypatch):
    save_image("2024/x.jpg")
    monkeypatch.chdir(tmp_path)
    (frame,) = open_source("2024")
    assert frame.source == "2024/x.jpg"
