from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.workflow.images import Images, divide, open_images, survey, warnings
from edge.conveyor import LABELS
from edge.errors import CalibrationError, DataError, SourceError
from edge.io.datasets import Objects, Sample
from edge.types import Size

cv2 = pytest.importorskip("cv2")
BELT = "test:conveyor?seed=1&frames=12&size=160x120"


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


def photos(folder, count: int, side: int = 64):
    random = np.random.default_rng(0)
    for number in range(count):
        image = random.integers(0, 255, (side // 4, side // 4, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), image.repeat(4, 0).repeat(4, 1))
    return folder


def test_a_folder_of_images_needs_no_labels(tmp_path):
    result = open_images(str(photos(tmp_path, 3)), ("a",), strict=True)
    assert len(result) == 3
    assert not result.labeled
    assert [image.shape for image in result.images()] == [(64, 64, 3)] * 3


def test_a_scene_comes_with_labels():
    result = open_images(BELT, LABELS, strict=True)
    assert result.labeled
    assert sum(len(s.labels) for s in result.samples) > 0


def test_labels_of_other_classes_are_refused_or_count_as_none():
    assert not open_images(BELT, ("cell",), strict=False).labeled
    with pytest.raises(DataError, match="no class"):
        open_images(BELT, ("cell",), strict=True)


def test_damaged_labels_count_as_none_where_none_are_needed(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    photos(tmp_path / "images", 3)
    (tmp_path / "labels" / "000.txt").write_text("0 .5 .5 .1")
    result = open_images(str(tmp_path), ("a",), strict=False)
    assert len(result) == 3
    assert not result.labeled
    with pytest.raises(DataError, match="got 4 fields"):
        open_images(str(tmp_path), ("a",), strict=True)


def test_a_data_file_says_which_images_there_are(tmp_path):
    for name in ("images/train", "images/val", "images/other"):
        (tmp_path / name).mkdir(parents=True)
        photos(tmp_path / name, 2)
    for number in range(2):  # whatever is found here, labels are not needed
        (tmp_path / "images/val" / f"{number:03}.png").write_bytes(b"%d" % number)
    file = tmp_path / "data.yaml"
    file.write_text("train: [images/train, images/other]\nval: images/val\nnames: [a]\n")
    for address in (str(file), str(tmp_path)):
        observed = open_images(address, ("b",), strict=False)
        assert {s.path.parent.name for s in observed.samples} == {"train", "other"}
        assert "data: other" not in observed.notes[0]
        assert observed.notes[0].startswith("data: train 4 images")
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/000.txt").write_text("0 .5 .5 .1 .1")
    assert len(open_images(str(file), ("a",), strict=True)) == 2
    file.write_text("train: images/gone\n")
    with pytest.raises(DataError, match="'train' is 'images/gone'"):
        open_images(str(file), ("a",), strict=False)


def test_nothing_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="no such"):
        open_images(str(tmp_path / "none"), (), strict=True)


@pytest.mark.parametrize(("count", "held"), [(10, 2), (12, 3), (1000, 64)])
def test_no_image_both_calibrates_and_judges(count, held):
    none = Objects.of([], [])
    data = Images(tuple(Sample(Path(f"{i}.png"), i, none) for i in range(count)), False)
    result = divide(data, None, images=128, seed=3)
    names = [{s.path for s in part.samples} for part in (result.observed, result.held_out)]
    assert not names[0] & names[1]
    assert len(result.held_out) == held
    assert len(result.observed) == min(128, count - held)


def test_the_same_seed_divides_the_same_way():
    data = open_images(BELT, LABELS, strict=True)
    assert divide(data, None, 8, 5) == divide(data, None, 8, 5)
    assert divide(data, None, 8, 5) != divide(data, None, 8, 6)


def test_images_to_judge_by_leave_all_others_to_observe():
    data = open_images(BELT, LABELS, strict=True)
    result = divide(data, data.at([0]), 128, 0)
    assert (len(result.observed), len(result.held_out), result.overlap) == (11, 1, 1)
    assert data.samples[0] not in result.observed.samples
    with pytest.raises(CalibrationError, match="all 12 images to calibrate on are held out"):
        divide(data, data, 128, 0)


def test_one_image_cannot_be_divided():
    data = open_images(BELT, LABELS, strict=True)
    with pytest.raises(CalibrationError, match="1 images cannot be divided"):
        divide(data.at([0]), None, 128, 0)


def test_good_images_need_no_remark(tmp_path):
    data = survey(open_images(str(photos(tmp_path, 40)), (), strict=True), quiet)
    assert warnings(data, data, Size(64, 64)) == []


def test_few_small_repeated_and_damaged_images_are_remarked_on(tmp_path):
    photos(tmp_path, 2, side=32)
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"again{number}.png"), np.full((32, 32, 3), 9, np.uint8))
    (tmp_path / "zz.png").write_bytes(b"")
    data = survey(open_images(str(tmp_path), (), strict=True), quiet)
    assert len(data.usable) == 6
    text = "\n".join(warnings(data, data, Size(64, 64)))
    for words in (
        "2 images are left out, the first: " + str(tmp_path / "zz.png") + ": the file is empty",
        "6 images are few",
        "6 images judge",
        "4 of 6 images teach nothing: 4 black",
        "6 of 6 images are smaller than the input of 64x64",
    ):
        assert words in text
    assert "3 of 6 images show the same" not in text  # half of them differ


def test_the_same_image_again_and_again_is_remarked_on(tmp_path):
    image = cv2.imread(str(next(photos(tmp_path, 1).iterdir())))
    for number in range(9):
        cv2.imwrite(str(tmp_path / f"again{number}.png"), image)
    data = survey(open_images(str(tmp_path), (), strict=True), quiet)
    assert "9 of 10 images show the same" in "\n".join(warnings(data, data, Size(64, 64)))


def test_no_usable_image_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(CalibrationError, match="no image can be used"):
        survey(open_images(str(tmp_path), (), strict=True), quiet)
