import json

import pytest

from edge.errors import DataError
from edge.io.datasets import open_dataset, split_names
from edge.types import Size

CONTENT = {
    "images": [
        {"id": 9, "file_name": "b.jpg", "height": 10, "width": 20},
        {"id": 4, "file_name": "a.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 18, "bbox": [1, 2, 3.5, 4], "area": 7,
         "iscrowd": 1},
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "ignore": 1},
        {"id": 3, "image_id": 77, "category_id": 3, "bbox": [1, 2, 3, 4]},
    ],
    "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
}  # fmt: skip


@pytest.fixture
def make(tmp_path):
    """Writes one JSON file, and the two images (empty) into a folder."""

    def write(content, file="annotations/instances_val2017.json", images="val2017"):
        target = tmp_path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content))
        (tmp_path / images).mkdir(parents=True, exist_ok=True)
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / images / name).touch()
        return target

    return write


def changed(table, row, **values):
    content = json.loads(json.dumps(CONTENT))
    content[table][row].update(values)
    return content


def test_reads_a_file(make):
    dataset = open_dataset(make(CONTENT))
    first, second = dataset.samples
    assert (dataset.format, dataset.names) == ("COCO", ("car", "dog"))
    assert dataset.category_ids == {0: 3, 1: 18}
    assert (first.image_id, first.size, len(first.labels)) == (4, None, 0)
    assert (second.image_id, second.size) == (9, Size(10, 20))
    assert second.labels.rectangles.tolist() == [[1, 2, 3.5, 4], [1, 2, 3, 4]]
    assert second.labels.class_ids.tolist() == [1, 0]
    assert second.labels.areas.tolist() == [7, 12]
    assert second.labels.crowd.tolist() == [True, False]


def test_does_not_read_the_key_ignore_as_the_reference_evaluator_does_not(make):
    assert not open_dataset(make(CONTENT)).samples[1].labels.ignored.any()


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("labels.json", "."),
        ("labels.json", "images"),
        ("instances_val2017.json", "val2017"),
        ("instances_val2017.json", "images/val2017"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017"),
        ("annotations/instances_val2017.json", "images"),
        ("annotations/instances_val2017.json", "annotations"),
        ("valid/_annotations.coco.json", "valid"),
    ],
)
def test_finds_the_images_in_the_usual_places(make, tmp_path, file, images):
    dataset = open_dataset(make(CONTENT, file, images))
    assert [s.path.resolve() for s in dataset.samples] == [
        (tmp_path / images / name).resolve() for name in ("a.jpg", "b.jpg")
    ]


def test_says_where_it_looked_for_the_images(make, tmp_path):
    file = make(CONTENT, images="elsewhere")
    with pytest.raises(
        DataError,
        match=f"none of its 2 images found, such as 'b.jpg'; looked in {file.parent}, {tmp_path}",
    ):
        open_dataset(file)


def test_keeps_an_image_that_is_missing_among_others(make, tmp_path):
    file = make(CONTENT)
    (tmp_path / "val2017" / "a.jpg").unlink()
    assert len(open_dataset(file)) == 2


def test_chooses_a_file_of_a_folder_by_split(make, tmp_path):
    make(CONTENT)
    make({**CONTENT, "images": CONTENT["images"][:1]}, "annotations/instances_train2017.json")
    with pytest.raises(DataError, match="2 files, wanted one; choose by --split"):
        open_dataset(tmp_path)
    for split in ("val", "val2017", "instances_val2017"):
        assert len(open_dataset(tmp_path, split)) == 2
    (tmp_path / "val2017").rename(tmp_path / "images")  # seen from both files
    assert len(open_dataset(tmp_path, "train")) == 1
    with pytest.raises(DataError, match="no split 'test'; found: instances_train2017, inst"):
        open_dataset(tmp_path, "test")


def test_takes_the_instances_among_files_of_one_split(make, tmp_path):
    make(CONTENT)
    for other in ("captions", "person_keypoints"):
        make("{", f"annotations/{other}_val2017.json")
    assert len(open_dataset(tmp_path, "val")) == 2
    make("{", "annotations/other_instances_val2017.json")
    (tmp_path / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(DataError, match="3 files for the split 'val', wanted one; choose by"):
        open_dataset(tmp_path, "val")


def test_the_folders_of_roboflow_are_splits(make, tmp_path):
    for split in ("train", "valid"):
        make(CONTENT, f"{split}/_annotations.coco.json", split)
    assert split_names(tmp_path) == ("train", "valid")
    for split in ("valid", "val"):
        (first, _) = open_dataset(tmp_path, split).samples
        assert first.path == tmp_path / "valid" / "a.jpg"


@pytest.mark.parametrize("where", ["images\\{}", "../images/{}", "images/../images/{}"])
def test_finds_images_by_paths_of_other_systems(make, tmp_path, where):
    content = changed("images", 0, file_name=where.format("b.jpg"))
    dataset = open_dataset(make(content, "labels.json", "images"))
    assert [s.path.name for s in dataset.samples if s.path.exists()] == ["a.jpg", "b.jpg"]
    assert dataset.warnings == ()


@pytest.mark.parametrize("where", ["/data/upload/1/{}", "C:\\x\\{}", "http://localhost:80/data/{}"])
def test_finds_images_of_another_machine_by_name_and_says_so(make, where):
    content = changed("images", 0, file_name=where.format("b.jpg"))
    dataset = open_dataset(make(content, "labels.json", "images"))
    assert [s.path.name for s in dataset.samples if s.path.exists()] == ["a.jpg", "b.jpg"]
    assert "1 images are found by the end of their path" in dataset.warnings[0]


def test_a_folder_with_one_file_needs_no_split(make, tmp_path):
    make(CONTENT)
    assert len(open_dataset(tmp_path)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([{"image_id": 1}], "a list, as of results"),
        ("3", "no list 'images'"),
        ({"images": [], "categories": []}, "no list 'annotations'"),
        ({**CONTENT, "images": [3]}, "images[0]: wanted an object, got 3"),
        (changed("images", 0, id="x"), "images[0]: 'id' is a whole number, got 'x'"),
        (changed("images", 0, id=True), "images[0]: 'id' is a whole number, got True"),
        (changed("images", 0, id=4), "two images have the same id"),
        (changed("images", 0, file_name=None), "images[0]: 'file_name' is a text, got None"),
        (changed("images", 0, height="x"), "images[0]: 'height' is a whole number"),
        (changed("categories", 0, id=3), "two categories have the same id"),
        (changed("categories", 0, name=""), "categories[0]: 'name' is a text"),
        (changed("annotations", 0, category_id=5), "annotations[0]: there is no category 5"),
        (changed("annotations", 0, bbox=[1, 2, 3]), "annotations[0]: 'bbox' is left, top"),
        (changed("annotations", 0, bbox=[1, 2, 3, float("nan")]), "annotations[0]: 'bbox' is"),
        (changed("annotations", 0, bbox=[1, 2, -3, 4]), "annotations[0]: a width or height below"),
        (changed("annotations", 0, area="big"), "annotations[0]: 'area' is a number, got 'big'"),
    ],
)
def test_says_what_is_wrong_with_a_file(make, content, message):
    file = make(content)
    with pytest.raises(DataError) as caught:
        open_dataset(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_a_single_file_has_no_splits(make):
    with pytest.raises(DataError, match="one file has no splits, got 'val'"):
        open_dataset(make(CONTENT), "val")


@pytest.mark.parametrize("number", [int("9" * 400), -int("9" * 400), 1e308, float("nan")])
def test_refuses_boxes_and_areas_that_no_image_holds(make, number):
    for values in ({"bbox": [0, 0, number, 1]}, {"bbox": [number, 0, 1, 1]}, {"area": number}):
        with pytest.raises(DataError, match=r"annotations\[1\]: '(bbox|area)' is"):
            open_dataset(make(changed("annotations", 1, **values)))


def test_refuses_a_name_that_is_none(make):
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(DataError, match=r"File name too long|is not a path"):
            open_dataset(make(changed("images", 0, file_name=name)))
