from pathlib import Path

import pytest

from edge.errors import DataError
from edge.io.datasets.locate import locate


@pytest.fixture
def folder(tmp_path):
    for name in ("ds/images/train", "ds/train/images", "ds/val", "other/train/images", "cwd/data"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "ds"


@pytest.mark.parametrize(
    ("answer", "result", "moved"),
    [
        ("images/train", "images/train", False),
        ("./images/train/", "images/train", False),
        ("images\\train", "images/train", False),
        ("../ds/val", "../ds/val", False),
        ("../other/train", "../other/train", False),
        ("../images/train", "images/train", False),  # Roboflow's
        ("../../train/images", "train/images", False),
        ("..\\train\\images", "train/images", False),
        ("../custom_dataset/images/train", "images/train", True),  # YOLOv6's
        ("/home/bob/data/images/train", "images/train", True),
        ("C:\\Users\\bob\\data\\images\\train", "images/train", True),
        ("D:/data/train/images", "train/images", True),
        ("\\\\server\\share\\ds\\val", "val", True),
        ("http://localhost:8080/data/val", "val", True),
    ],
)
def test_finds_what_was_said_on_another_machine(folder, answer, result, moved):
    located = locate(answer, [folder], working=False)
    assert (located.path, located.is_moved) == (folder / result, moved)


def test_the_very_path_comes_first(folder):
    assert locate(str(folder.parent / "other"), [folder]).path == folder.parent / "other"
    (folder.parent / "images/train").mkdir(parents=True)
    assert locate("../images/train", [folder]).path == folder / "../images/train"


@pytest.mark.parametrize(
    "answer", ["v2/images/train", "train", "/x/images", "../images", "../../x", "..", "/gone"]
)
def test_takes_no_folder_that_may_be_another_one(folder, answer):
    located = locate(answer, [folder / "images" / "train" / "deep"], working=False)
    assert located is None
    assert answer in ("train", "..", "../images") or locate(answer, [folder], working=False) is None


def test_looks_in_the_working_directory_last(folder, monkeypatch):
    monkeypatch.chdir(folder.parent / "cwd")
    assert locate("data", [folder]).path == Path("data")
    assert locate("data", [folder], working=False) is None
    (folder / "data").mkdir()
    assert locate("data", [folder]).path == folder / "data"
    monkeypatch.chdir(folder.parent / "other" / "train" / "images")  # another set's `../images`
    assert locate("../../train/images", [folder]).path == folder / "train/images"


@pytest.mark.parametrize("answer", ["a\0b", "x" * 300, "/x/" + "y" * 300])
def test_refuses_what_is_no_path(folder, answer):
    with pytest.raises(DataError, match=r"not a path|name too long"):
        locate(answer, [folder])
