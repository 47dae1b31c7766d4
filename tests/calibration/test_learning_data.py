"""A held-out image is never learned from, however the data says which these are."""

import json
import os
import shutil

import pytest

from calibration.learning_data import apart, held_out_data, training_data, without
from edge.errors import DataError
from edge.io.datasets import open_dataset

BOX = "0 .5 .5 .1 .1\n"
TRAIN, VAL = ("t1", "t2", "t3"), ("v1", "v2")


def yolo(root, images):
    """Images at places with `images` in them, each with its name as content, and labels."""
    for place in images:
        image = root / f"{place}.png"
        label = root / f"{place.replace('images', 'labels')}.txt"
        for file, text in ((image, image.stem), (label, BOX)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def pairs(form, train="train", val="val"):
    return [form.format(train, name) for name in TRAIN] + [form.format(val, name) for name in VAL]


def folders(form, train="train", val="val", yaml=""):
    def write(root):
        yolo(root, pairs(form, train, val))
        if yaml:
            (root / "data.yaml").write_text(yaml)

    return write


def lists(root):
    yolo(root, pairs("images/{1}"))
    for name, stems in (("train", TRAIN), ("val", VAL)):
        (root / f"{name}.txt").write_text("".join(f"./images/{stem}.png\n" for stem in stems))
    (root / "data.yaml").write_text("train: train.txt\nval: val.txt\n")


def overlapping_lists(root):
    lists(root)
    stems = "".join(f"images/{stem}.png\n" for stem in (*TRAIN, *VAL))
    (root / "train.txt").write_text(stems)


def all_and_a_part(root):
    yolo(root, [*(f"images/{name}" for name in TRAIN), *(f"images/val/{name}" for name in VAL)])
    (root / "data.yaml").write_text("train: images\nval: images/val\n")


def links(root):
    yolo(root, [*pairs("images/{}/{}"), "images/train/hard"])
    (root / "images/train/link.png").symlink_to(root / "images/val/v1.png")
    (root / "images/train/hard.png").unlink()
    os.link(root / "images/val/v2.png", root / "images/train/hard.png")
    (root / "images/train/folder").symlink_to(root / "images/val")


def without_train(root):
    yolo(root, [*(f"images/{n}" for n in TRAIN), *(f"images/val/{n}" for n in VAL)])
    yolo(root, ["images/test/x"])


def coco(train, val, images):
    def write(root):
        for file, split, stems in ((train, "train", TRAIN), (val, "val", VAL)):
            folder = root / images.format(split, file.partition("/")[0])
            folder.mkdir(parents=True, exist_ok=True)
            for stem in stems:
                (folder / f"{stem}.png").write_text(stem)
            rows = [{"id": i, "file_name": f"{stem}.png"} for i, stem in enumerate(stems)]
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            content = {"images": rows, "annotations": [], "categories": [{"id": 1, "name": "a"}]}
            (root / file).write_text(json.dumps(content))

    return write


def voc(root):
    for name in (*TRAIN, *VAL):
        for file in (f"JPEGImages/{name}.png", f"Annotations/{name}.xml"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text("<annotation></annotation>" if "xml" in file else name)
    (root / "ImageSets/Main").mkdir(parents=True)
    for split, stems in (("train", TRAIN), ("val", VAL), ("trainval", (*TRAIN, *VAL))):
        (root / f"ImageSets/Main/{split}.txt").write_text("\n".join(stems))


LAYOUTS = {
    "images/train": folders("images/{}/{}"),
    "train/images": folders("{}/images/{}"),
    "Roboflow": folders(
        "{}/images/{}", val="valid", yaml="train: ../train/images\nval: ../valid/images\n"
    ),
    "Roboflow without data.yaml": folders("{}/images/{}", val="valid"),
    "train2017": folders("images/{}/{}", "train2017", "val2017"),
    "coco.yaml": folders(
        "images/{}/{}",
        "train2017",
        "val2017",
        yaml="path: ../datasets/coco\ntrain: images/train2017\nval: images/val2017\n",
    ),
    "other names": folders("images/{}/{}", "a", "b", yaml="train: images/a\nval: images/b\n"),
    "nested": folders("images/{}/site/{}"),
    "sites": folders("images/site/{}/{}"),
    "training, validation": folders("{}/images/{}", "training", "validation"),
    "lists": lists,
    "overlapping lists": overlapping_lists,
    "all and a part of it": all_and_a_part,
    "links": links,
    "no train": without_train,
    "COCO": coco("annotations/instances_train.json", "annotations/instances_val.json", "{0}"),
    "COCO 2017": coco(
        "annotations/instances_train2017.json", "annotations/instances_val2017.json", "{0}2017"
    ),
    "Roboflow COCO": coco("train/_annotations.coco.json", "valid/_annotations.coco.json", "{1}"),
    "VOC": voc,
}


def names(dataset):
    return sorted(sample.path.stem for sample in dataset.samples)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_training_never_sees_a_validation_image(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    held_out = held_out_data(str(tmp_path))
    data = without(training_data(str(tmp_path)), held_out.samples)
    assert names(held_out) == list(VAL)
    assert names(data) == list(TRAIN)
    contents = {sample.path.read_bytes() for sample in held_out.samples}
    assert not contents & {sample.path.read_bytes() for sample in data.samples}


@pytest.mark.parametrize(
    ("layout", "count"), [("overlapping lists", 2), ("all and a part of it", 2), ("links", 3)]
)
def test_what_is_held_out_of_the_training_is_counted(tmp_path, layout, count):
    LAYOUTS[layout](tmp_path)
    held_out = held_out_data(str(tmp_path))
    assert without(training_data(str(tmp_path)), held_out.samples).left_out["held_out"] == count


def test_data_that_does_not_say_what_is_for_training_says_so(tmp_path):
    yolo(tmp_path, pairs("images/{}/{}", "siteA", "siteB"))
    data = training_data(str(tmp_path))
    assert len(data) == 5
    assert (
        "no split is for training (siteA, siteB): used is all that is not held" in data.warnings[0]
    )
    held_out = held_out_data(f"{tmp_path}?split=siteB")
    assert names(without(data, held_out.samples)) == list(TRAIN)


def test_a_split_that_is_asked_for_is_taken(tmp_path):
    yolo(tmp_path, pairs("images/{}/{}"))
    assert names(training_data(f"{tmp_path}?split=val")) == list(VAL)
    assert names(held_out_data(f"{tmp_path}?split=train")) == list(TRAIN)


def test_a_missing_test_split_is_no_hindrance(tmp_path):
    yaml = "train: ../train/images\nval: ../val/images\ntest: ../test/images\n"
    folders("{}/images/{}", yaml=yaml)(tmp_path)
    data = training_data(str(tmp_path / "data.yaml"))
    assert names(data) == list(TRAIN)
    assert "'test' is '../test/images'" in data.warnings[0]


def test_images_that_are_all_held_out_are_refused(tmp_path):
    folders("images/{}/{}", yaml="train: images/train\nval: images/train\n")(tmp_path)
    with pytest.raises(DataError, match="all 3 images to learn from are held out"):
        without(training_data(str(tmp_path)), held_out_data(str(tmp_path)).samples)


def test_copies_under_other_names_are_said(tmp_path):
    yolo(tmp_path, [*pairs("images/{}/{}"), "images/train/copy"])
    shutil.copy(tmp_path / "images/val/v1.png", tmp_path / "images/train/copy.png")
    data = without(training_data(str(tmp_path)), held_out_data(str(tmp_path)).samples)
    assert len(data) == 4
    assert data.warnings == ("1 of the images to learn from are copies of held-out ones",)


def test_rendered_images_are_told_apart_by_their_address():
    subset, more = (open_dataset(f"test:conveyor?seed=1&frames={n}&size=160x120") for n in (2, 5))
    assert len(apart(more.samples, subset.samples)) == 3
    other = open_dataset("test:conveyor?seed=2&frames=2&size=160x120")
    assert len(apart(more.samples, other.samples)) == 5


def test_a_file_that_is_gone_is_no_copy_of_another(tmp_path):
    folders("images/{}/{}")(tmp_path)
    data, held_out = training_data(str(tmp_path)), held_out_data(str(tmp_path))
    (tmp_path / "images/train/t1.png").unlink()
    (tmp_path / "images/val/v1.png").unlink()
    assert len(apart(data.samples, held_out.samples)) == 3
