from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from edge.io.datasets import Dataset, Objects, Sample
from edge.types import Size


def dataset(class_ids, names=None, category_ids=None):
    samples = tuple(
        Sample(Path(f"{i}.jpg"), i, Objects.of([[0, 0, 1, 1]] * len(ids), ids))
        for i, ids in enumerate(class_ids)
    )
    return Dataset(Path("data"), "COCO", samples, names, category_ids or {})


def ids_of(data):
    return [sample.labels.class_ids.tolist() for sample in data.samples]


class TestObjects:
    def test_have_corners_as_boxes(self):
        boxes = Objects.of([[10, 20, 3, 4]], [0]).boxes
        assert boxes.dtype == np.float32
        assert boxes.tolist() == [[10, 20, 13, 24]]

    def test_take_the_boxs_area_where_there_is_no_other(self):
        assert Objects.of([[0, 0, 3, 4]], [0]).areas.tolist() == [12]
        assert Objects.of([[0, 0, 3, 4]], [0], areas=[7]).areas.tolist() == [7]

    def test_may_be_none(self):
        assert len(Objects.of([], [])) == 0

    def test_are_selected_by_rows(self):
        objects = Objects.of([[0, 0, 1, 1], [0, 0, 2, 2]], [0, 1], crowd=[True, False])
        rest = objects[~objects.crowd]
        assert (rest.class_ids.tolist(), rest.areas.tolist()) == ([1], [4])

    def test_have_columns_of_one_length(self):
        with pytest.raises(ValueError, match="disagree"):
            Objects.of([[0, 0, 1, 1]], [0, 1])


class TestSample:
    def test_scales_fractions_to_the_image(self):
        labels = Objects.of([[0.5, 0.25, 0.5, 0.5]], [0])
        result = Sample(Path("a.jpg"), 1, labels, fractions=True).objects(Size(100, 200))
        assert result.rectangles.tolist() == [[100, 25, 100, 50]]
        assert result.areas.tolist() == [5000]

    def test_refuses_an_image_of_another_size(self):
        sample = Sample(Path("a.jpg"), 1, Objects.of([], []), Size(10, 20))
        assert sample.objects(Size(10, 20)) is sample.labels
        with pytest.raises(DataError, match=r"an image of 10x20, it is 11x20$"):
            sample.objects(Size(11, 20))
        with pytest.raises(DataError, match="10x20, it is 20x10; its EXIF orientation"):
            sample.objects(Size(20, 10))


class TestForModel:
    def test_matches_names_whatever_their_case_and_order(self):
        data = dataset([[0, 1], [], [1]], ("Hot_Dog", "cat"), {0: 58, 1: 17})
        ours = data.for_model(("dog", "CAT", "hot dog"))
        assert ids_of(ours) == [[2, 1], [], [1]]
        assert ours.category_ids == {2: 58, 1: 17}
        assert ours.names == ("dog", "CAT", "hot dog")

    def test_matches_ids_where_the_data_has_no_names(self):
        assert ids_of(dataset([[2, 0]]).for_model(("a", "b", "c"))) == [[2, 0]]

    @pytest.mark.parametrize("labels", [("0", "1"), ("class0", "class1"), ("class_0", "class_1")])
    def test_matches_ids_where_the_model_has_no_names(self, labels):
        assert ids_of(dataset([[1, 0]], ("cat", "dog")).for_model(labels)) == [[1, 0]]

    def test_names_every_class_that_the_model_lacks(self):
        data = dataset([[0], [1, 2]], ("cat", "cow", "hen"))
        with pytest.raises(
            DataError, match=r"no class 'cow', 'hen' \(first in the labels of 1.jpg"
        ):
            data.for_model(("cat", "dog"))
        with pytest.raises(DataError, match="no class 2 "):
            dataset([[0], [2]]).for_model(("cat", "dog"))

    def test_does_not_mind_a_class_without_objects(self):
        data = dataset([[1]], ("helmets", "Helmet"), {0: 0, 1: 1})
        ours = data.for_model(("helmet",))
        assert (ids_of(ours), ours.category_ids) == ([[0]], {0: 1})

    def test_prefers_the_class_with_objects_of_two_with_one_name(self):
        ours = dataset([[1]], ("helmet", "helmet"), {0: 0, 1: 1}).for_model(("helmet",))
        assert (ids_of(ours), ours.category_ids) == ([[0]], {0: 1})

    def test_refuses_two_used_classes_of_one_name(self):
        with pytest.raises(DataError, match="two classes of the dataset are named 'CAT'"):
            dataset([[0, 1]], ("cat", "CAT")).for_model(("cat",))
