import importlib

import pytest

from edge.errors import DataError
from edge.io.datasets import FORMATS, open_dataset, split_names


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_it_wants_and_knows_a_foreign_folder(name, tmp_path):
    module = importlib.import_module(FORMATS[name])
    assert module.WANTED.startswith(f"{name}: ")
    assert not module.recognizes(tmp_path)
    assert not module.recognizes(tmp_path / "missing")


def test_says_what_was_found_and_what_is_wanted(tmp_path):
    with pytest.raises(DataError, match="an empty folder, which is no dataset"):
        open_dataset(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a folder with a\.txt, photos/, .*YOLO: .*COCO: "):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match=r"a\.txt: a file, which is no dataset"):
        open_dataset(tmp_path / "a.txt")


def test_says_that_there_is_nothing(tmp_path):
    with pytest.raises(DataError, match="nothing: no such file or folder"):
        open_dataset(tmp_path / "nothing?split=val")


@pytest.mark.parametrize(
    ("beside", "hint"), [("a.txt", "name a data.yaml there"), ("a.xml", "to Annotations/ and JPEG")]
)
def test_says_what_to_do_with_labels_beside_images(tmp_path, beside, hint):
    for name in ("a.jpg", beside):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"labels beside them: .*{hint}"):
        open_dataset(tmp_path)


def test_says_the_parts_without_reading_them(tmp_path):
    for name in ("images/train", "labels/train", "images/val"):
        (tmp_path / name).mkdir(parents=True)
    assert split_names(tmp_path) == ("train", "val")
    assert split_names(f"{tmp_path}?split=val") == split_names("test:conveyor?frames=1") == ()


def test_refuses_data_without_images(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(DataError, match="no images in it"):
        open_dataset(tmp_path)
