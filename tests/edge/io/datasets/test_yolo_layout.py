"""Where the images of YOLO datasets lie, in the ways that tools write it. Images are empty here."""

import os

import pytest

from edge.errors import DataError
from edge.io.datasets import open_dataset

BOX = "0 .5 .5 .1 .1\n"


@pytest.fixture
def make(tmp_path):
    """Writes images with a label file each, and other files of the content given."""

    def write(images=(), /, **texts):
        for name in images:
            labels = f"/{name}".rpartition("/images/")
            label = "/labels/".join(labels[::2]) if labels[1] else labels[2]
            for file, text in ((name, ""), (label.lstrip("/").rpartition(".")[0] + ".txt", BOX)):
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / file).write_text(text)
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def names(dataset):
    return sorted(sample.path.name for sample in dataset.samples)


def objects(dataset):
    return sum(len(sample.labels) for sample in dataset.samples)


@pytest.mark.parametrize("data", ["", "data.yaml"])
@pytest.mark.parametrize(
    "text",
    [
        "train: images/train_v2\nval: images/val",
        "train: ./images/train_v2/\nvalid: [images/val]",
        "train:\n- images/train_v2\nvalidation:\n  - images/val",
        "train: ../images/train_v2\nval: ../images/val\ntest: ../images/test",
        "train: '..\\images\\train_v2'\nval: ..\\images\\val",
        "path: .\ntrain: images/train_v2\nval: images/val",
        "path: images\ntrain: train_v2\nval: val",
        "path: /content/drive/parts\ntrain: images/train_v2\nval: images/val",
        "path: C:\\Users\\bob\\parts\ntrain: images/train_v2\nval: images/val",
        "path: {here}\ntrain: images/train_v2\nval: images/val",
        "train: {here}/images/train_v2\nval: {here}/images/val",
        "train: /home/bob/parts/images/train_v2\nval: /home/bob/parts/images/val",
        "train: D:\\parts\\images\\train_v2\nval: D:/parts/images/val",
        "train: ../custom_dataset/images/train_v2\nval: ../custom_dataset/images/val",
        '{{"train": "images/train_v2", "val": "images/val"}}',
    ],
)
def test_a_data_file_is_obeyed(make, text, data):
    images = ["train/a", "train/b", "train_v2/a", "val/c"]
    folder = make([f"images/{name}.png" for name in images])
    make(data=text.format(here=folder) + "\n")
    assert names(open_dataset(folder / data, "train")) == ["a.png"]
    for word in ("val", "valid", "validation"):
        assert names(open_dataset(f"{folder / data}?split={word}")) == ["c.png"]
    assert "train_v2" in str(open_dataset(folder / data, "train").samples[0].path)
    if "test" not in text:
        whole = open_dataset(folder / data)
        assert (names(whole), objects(whole)) == (["a.png", "c.png"], 2)


def test_the_data_file_that_is_named_is_the_one_that_is_read(make):
    folder = make(["images/a.png"], coco="names: [x]\n", parts="names: [bolt]\n")
    assert open_dataset(folder / "parts.yaml").names == ("bolt",)
    assert open_dataset(folder / "coco.yaml").names == ("x",)
    with pytest.raises(DataError, match=r"coco\.yaml, parts\.yaml name different classes"):
        open_dataset(folder)


def test_a_named_file_takes_no_names_from_another_one(make):
    folder = make(["images/a.png"], data="names: [x]\n", other="train: images\n")
    assert open_dataset(folder / "other.yaml").names is None
    (folder / "classes.txt").write_text("bolt\n")
    assert open_dataset(folder / "other.yaml").names == ("bolt",)


def test_several_folders_are_one_split(make):
    folder = make(["a/images/x.png", "b/images/y.png"], data="train: [a/images, b/images]\n")
    dataset = open_dataset(folder / "data.yaml", "train")
    assert (names(dataset), objects(dataset)) == (["x.png", "y.png"], 2)


def test_a_data_file_may_lie_elsewhere(make, monkeypatch):
    folder = make(["sets/parts/images/train/a.png", "sets/parts/images/val/b.png"])
    (folder / "configs").mkdir()
    file = folder / "configs" / "p.yaml"
    for text in ("path: ../sets/parts\ntrain: images/train\n", "train: sets/parts/images/train\n"):
        file.write_text(text)
        monkeypatch.chdir(folder)
        assert names(open_dataset(file)) == ["a.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/train\ntest: images/gone", r"'test' is 'images/gone', which is neither in"),
        (
            "train: gone",
            r"data\.yaml: 'train' is 'gone', which is neither in .* nor in the working",
        ),
        ("train: v2/images/train", "'train' is 'v2/images/train', which is neither"),
        (
            "train: /x/gone\ndownload: https://x/y.zip",
            "how to download the data, which is not done",
        ),
        ("train: images/train/a.png", "neither a folder nor a list"),
        ("train: images/train/*.png", "which is neither in"),
        ("train: images/empty", "no images in it; looked in"),
        ("train: 'a\\0b'", "'train' is 'a"),
        ('train: "a\\0b"', "is not a path"),
        ("train: " + "x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(make, text, message):
    folder = make(["images/train/a.png"], data=text)
    (folder / "images" / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        open_dataset(folder / "data.yaml")


def test_only_the_split_that_is_used_must_be_there_but_it_is_said(make):
    folder = make(["train/images/a.png"], data="train: ../train/images\ntest: ../test/images\n")
    dataset = open_dataset(folder, "train")
    assert names(dataset) == ["a.png"]
    assert "'test' is '../test/images'" in dataset.warnings[0]
    assert dataset.warnings[0].endswith("not used")
    with pytest.raises(DataError, match=r"'test' is .*; --split chooses from train"):
        open_dataset(folder)


def test_what_was_found_elsewhere_is_said(make):
    folder = make(["images/train/a.png"], data="path: /gone\ntrain: /gone/images/train\n")
    first, second = open_dataset(folder).warnings
    assert "'path' is '/gone', not here" in first
    assert f"'train' is '/gone/images/train', not here; {folder}/images/train is used" in second


class TestLists:
    @pytest.mark.parametrize(
        "line",
        [
            "images/{}.png", "./images/{}.png", "{here}/images/{}.png", "images\\{}.png",
            ".\\images\\{}.png", "C:\\parts\\images\\{}.png", "/home/bob/parts/images/{}.png",
            "../parts/images/{}.png",
        ],
    )  # fmt: skip
    def test_name_images_in_many_ways(self, make, line):
        folder = make(
            [f"images/{name}.png" for name in "abc"], data="train: train.txt\nval: [val.txt]\n"
        )
        for split, images in (("train", "ab"), ("val", "c")):
            lines = [line.format(name, here=folder) for name in images]
            (folder / f"{split}.txt").write_text("# images\n\n" + "\r\n".join(lines) + "\n")
        assert names(open_dataset(folder, "train")) == ["a.png", "b.png"]
        assert names(open_dataset(folder / "data.yaml", "val")) == ["c.png"]
        whole = open_dataset(folder)
        assert (whole.splits, objects(whole)) == (("train", "val"), 3)
        assert {s.path.name: s.split for s in whole.samples}["c.png"] == "val"

    def test_are_relative_to_their_folder_then_to_the_path(self, make):
        folder = make(["images/a.png", "lists/images/b.png"], data="path: .\ntrain: lists/t.txt\n")
        (folder / "lists" / "t.txt").write_text("images/a.png\nimages/b.png\n")
        assert names(open_dataset(folder)) == ["a.png", "b.png"]

    def test_count_what_is_left_out(self, make):
        folder = make(["images/a.png", "images/b.png"], data="train: t.txt\n")
        (folder / "link.png").symlink_to(folder / "images" / "a.png")
        lines = ["images/a.png", "./images/a.png", "link.png", "gone.png", "data.yaml", "images"]
        (folder / "t.txt").write_text("\n".join(lines))
        dataset = open_dataset(folder)
        assert names(dataset) == ["a.png"]
        assert dataset.left_out == {"repeated": 2, "missing": 1, "other": 2}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"gone.png\n", r"t\.txt:1: gone\.png: no such image, nor any other"),
            (b"", "no images in it"),
            (b"images/a\0.png", r"t\.txt:1: a line is the path of an image"),
            (b"x" * 5000, r"t\.txt:1: a line is the path"),
            (b"\xff\xfe", r"t\.txt: not UTF-8"),
        ],
    )
    def test_that_name_no_image_are_refused(self, make, content, message):
        folder = make(["images/a.png"], data="train: t.txt\n")
        (folder / "t.txt").write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_dataset(folder)

    def test_find_labels_beside_images_without_a_folder_images(self, make):
        folder = make(["flat/a.png"], data="train: flat\n")
        assert objects(open_dataset(folder)) == 1


class TestFolders:
    def test_are_read_with_all_below_them(self, make):
        folder = make(["images/train/top.png", "images/train/s/a.png", "images/train/s/t/a.png"])
        dataset = open_dataset(folder, "train")
        assert (names(dataset), objects(dataset)) == (["a.png", "a.png", "top.png"], 3)

    def test_nested_ones_of_no_split_are_read_too(self, make):
        dataset = open_dataset(make(["images/top.png", "images/s/a.png", "images/s/t/b.png"]))
        assert (names(dataset), objects(dataset)) == (["a.png", "b.png", "top.png"], 3)

    def test_end_where_links_go_round_and_leave_hidden_ones(self, make):
        folder = make(["images/train/s/a.png", "images/train/.hidden/b.png"])
        (folder / "images/train/s/loop").symlink_to(folder / "images")
        (folder / "images/train/again").symlink_to(folder / "images/train/s")
        (folder / "images/train/.c.png").touch()
        for name in ("itself.png", "itself"):
            (folder / "images/train" / name).symlink_to(folder / "images/train" / name)
        dataset = open_dataset(folder, "train")
        assert (names(dataset), objects(dataset), dataset.left_out) == (["a.png"], 1, {"other": 2})

    @pytest.mark.parametrize("labels", ["labels/train/a.png", "store/images/a.png"])
    def test_link_to_images_elsewhere(self, make, labels):
        folder = make([labels])
        for name in ("store/images", "images", "labels/train"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "store/images/a.png").touch()
        (folder / "images/train").symlink_to(folder / "store/images")
        dataset = open_dataset(folder, "train")
        assert (names(dataset), objects(dataset)) == (["a.png"], 1)

    @pytest.mark.parametrize("form", ["{}/images/{}.png", "images/{}/{}.png"])
    @pytest.mark.parametrize(
        ("train", "val"), [("train", "valid"), ("train2017", "val2017"), ("training", "validation")]
    )
    def test_are_splits_by_what_their_names_say(self, make, form, train, val):
        folder = make([form.format(train, "a"), form.format(val, "b")])
        assert open_dataset(folder).splits == (train, val)
        for word, result in (
            ("train", "a"),
            (train, "a"),
            ("val", "b"),
            ("valid", "b"),
            (val, "b"),
        ):
            assert names(open_dataset(folder, word)) == [f"{result}.png"]
        with pytest.raises(DataError, match=f"no split 'test'; found: {train}, {val}"):
            open_dataset(folder, "test")

    def test_of_a_site_may_be_splits(self, make):
        images = [
            f"images/{site}/{split}/{site}.png" for site in "AB" for split in ("train", "val")
        ]
        folder = make(images)
        assert open_dataset(folder).splits == ("A", "A/train", "A/val", "B", "B/train", "B/val")
        assert len(open_dataset(folder, "val")) == 2

    def test_count_images_without_labels_and_other_files(self, make):
        folder = make(["images/a.png"])
        for name in ("images/b.png", "images/c.heic", "images/notes.txt"):
            (folder / name).touch()
        dataset = open_dataset(folder)
        assert [sample.has_labels for sample in dataset.samples] == [True, False]
        assert dataset.left_out == {"other": 1}

    def test_that_may_not_be_read_are_named(self, make, monkeypatch):
        folder = make(["images/a.png"])

        def refuse(path):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(DataError, match="images: Permission denied"):
            open_dataset(folder)
