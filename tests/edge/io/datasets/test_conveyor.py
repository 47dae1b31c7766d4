import numpy as np
import pytest

from edge.conveyor import LABELS, Conveyor
from edge.errors import DataError, SourceError
from edge.evaluate import evaluate
from edge.io.datasets import Images, open_dataset
from edge.io.datasets.conveyor import STRIDE
from edge.types import Detections, Size

ADDRESS = "test:conveyor?seed=4&frames=12&size=320x240"


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(ADDRESS)


def test_samples_are_frames_that_lie_apart_and_their_exact_labels(dataset):
    conveyor = Conveyor(4, Size(240, 320))
    assert dataset.names == LABELS
    assert dataset.splits == ()
    assert str(dataset.path) == ADDRESS
    assert [sample.image_id for sample in dataset.samples] == [STRIDE * k for k in range(12)]
    for sample in dataset.samples[::4]:
        image, truth = conveyor.render(sample.image_id)
        labels = sample.objects(Size(240, 320))
        assert np.array_equal(sample.image(), image)
        assert np.array_equal(labels.boxes, truth.boxes)
        assert np.array_equal(labels.class_ids, truth.class_ids)
        assert np.array_equal(labels.ignored, truth.ignored)
        assert np.array_equal(labels.areas, truth.areas)


def test_neighboring_samples_show_another_stretch_of_belt():
    for seed in range(20):
        conveyor = Conveyor(seed, Size(240, 320))
        one, two = (conveyor._find(STRIDE * k) for k in (1, 2))
        assert abs(one.left - two.left) > 0.6 * 320


def test_images_are_a_source_of_the_samples_in_order(dataset):
    images = Images(dataset.samples)
    assert (images.count, images.files) == (12, ())
    for k, frame in enumerate(images):
        assert frame.index == k
        assert frame.size == Size(240, 320)
        assert frame.source == f"test:conveyor?seed=4&size=320x240#{STRIDE * k}"
    images.close()


def test_finding_what_is_not_ignored_and_no_more_is_perfect(dataset):
    truth, result = [], []
    for sample in dataset.samples:
        labels = sample.objects(Size(240, 320))
        keep = ~labels.ignored
        truth.append(labels)
        scores = np.ones(int(keep.sum()), np.float32)
        result.append(Detections(labels.boxes[keep], scores, labels.class_ids[keep]))
    assert any(labels.ignored.any() for labels in truth)
    assert evaluate(truth, result, classes=len(LABELS)).metrics["AP"] == 1
    all_found = [
        Detections(labels.boxes, np.ones(len(labels), np.float32), labels.class_ids)
        for labels in truth
    ]
    assert evaluate(truth, all_found, classes=len(LABELS)).metrics["AP"] == 1
    missing = [each[:-1] for each in result]
    assert evaluate(truth, missing, classes=len(LABELS)).metrics["AP"] < 0.95


@pytest.mark.parametrize("address", ["test:conveyor", "test:conveyor?seed=1&frames=0"])
def test_data_without_end_is_refused(address):
    with pytest.raises(DataError, match=r"needs a number of frames, as in &frames=200"):
        open_dataset(address)


def test_splits_are_refused():
    with pytest.raises(DataError, match="has no splits, got 'val'"):
        open_dataset(ADDRESS, "val")


def test_a_wrong_address_is_refused():
    with pytest.raises(SourceError, match="its options are seed=N"):
        open_dataset("test:conveyor?foo=1&frames=3")
