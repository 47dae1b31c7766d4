from __future__ import annotations

import re

import pytest

from edge.errors import SinkError
from edge.io.sinks import SAVES, open_save
from edge.io.sinks.images import ImageFile, ImageFolder
from edge.io.sinks.video import VideoFile
from edge.io.sources import open_source


@pytest.fixture
def photo(save_image):
    return open_source(str(save_image("in/x.jpg")))


@pytest.fixture
def clip(save_video, tmp_path):
    (tmp_path / "in").mkdir(exist_ok=True)
    source = open_source(str(save_video("in/v.mp4")))
    yield source
    source.close()


@pytest.mark.parametrize("suffix", SAVES)
def test_every_suffix_opens_for_the_source_it_suits_and_refuses_the_other(
    suffix, photo, clip, tmp_path
):
    file = f"{tmp_path}/out{suffix.upper()}"
    kind = SAVES[suffix]
    suits, other = (clip, photo) if kind.__name__.endswith("video") else (photo, clip)
    with pytest.raises(SinkError, match=re.escape(file)):
        open_save(file, other, ())
    sink = open_save(file, suits, ())
    sink.close()
    assert type(sink).__module__ == kind.__name__
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]  # nothing until there is something


def test_a_folder_takes_what_the_source_gives(photo, clip, tmp_path):
    assert isinstance(open_save(f"{tmp_path}/a", photo, ()), ImageFolder)
    assert isinstance(open_save(f"{tmp_path}/b", clip, ()), VideoFile)
    assert isinstance(open_save(f"{tmp_path}/with.dot/", photo, ()), ImageFolder)
    assert isinstance(open_save(f"{tmp_path}/with.dot", photo, ()), ImageFolder)  # now it exists
    assert isinstance(open_save(f"{tmp_path}/x.jpg", photo, ()), ImageFile)


def test_an_unknown_suffix_is_refused_with_the_known_ones(photo, tmp_path):
    with pytest.raises(SinkError, match=r"out\.gif: .*\.jpg .*\.mp4.* folder"):
        open_save(f"{tmp_path}/out.gif", photo, ())


@pytest.mark.parametrize("name", ["file", "file/x.jpg", "file/deeper/"])
def test_what_cannot_be_written_is_refused_at_once(photo, tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match=str(tmp_path / "file")):
        open_save(f"{tmp_path}/{name}", photo, ())
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_folder_of_the_source_is_refused(photo, clip, tmp_path):
    (tmp_path / "link").symlink_to("in")
    for source in (photo, clip):
        for folder in ("in", "link", "in/../in"):
            with pytest.raises(SinkError, match="the source's own folder"):
                open_save(f"{tmp_path}/{folder}", source, ())


def test_the_source_itself_is_refused(photo, clip, tmp_path):
    for source, name in ((photo, "x.jpg"), (clip, "v.mp4")):
        with pytest.raises(SinkError, match="the source itself"):
            open_save(f"{tmp_path}/in/{name}", source, ())


def test_a_folder_of_links_is_refused_as_the_source_s_own(save_image, tmp_path):
    real = save_image("real/a.jpg")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.jpg").symlink_to("../real/a.jpg")
    source = open_source(f"{tmp_path}/linked")
    for target in ("linked", "real"):
        with pytest.raises(SinkError, match="the source's own folder"):
            open_save(f"{tmp_path}/{target}", source, ())
    for target in ("linked/a.jpg", "real/a.jpg"):
        with pytest.raises(SinkError, match="the source itself"):
            open_save(f"{tmp_path}/{target}", source, ())
    assert (tmp_path / "linked" / "a.jpg").is_symlink()
    assert real.is_file()
