import itertools

import numpy as np
import pytest

from edge.conveyor import LABELS, Conveyor
from edge.errors import SourceError
from edge.io.sources import open_source
from edge.io.sources.conveyor import Scene
from edge.types import Size


def test_frames_are_those_of_the_scene_at_thirty_a_second():
    source = open_source("test:conveyor?seed=7&frames=3&size=320x240")
    assert (source.count, source.live, source.rate, source.files) == (3, False, 30.0, ())
    frames = [(frame, frame.planes[0].copy()) for frame in source]
    conveyor = Conveyor(7, Size(240, 320))
    assert len(frames) == 3
    for k, (frame, image) in enumerate(frames):
        assert (frame.index, frame.time, frame.format) == (k, k / 30, "BGR")
        assert frame.size == Size(240, 320)
        assert frame.source == "test:conveyor?seed=7&size=320x240"
        assert np.array_equal(image, conveyor.render(k)[0])
    source.close()
    source.close()


@pytest.mark.parametrize("address", ["test:conveyor", "test:conveyor?", "test:conveyor?frames=0"])
def test_without_a_number_of_frames_it_has_no_end(address):
    source = open_source(address)
    assert source.count is None
    (frame,) = itertools.islice(source, 1)
    assert frame.size == Size(480, 640)
    assert frame.source == "test:conveyor?seed=1&size=640x480"


def test_a_frames_address_leads_to_the_same_frame():
    (frame,) = open_source("test:conveyor?size=128x96&seed=5&frames=1")
    (again,) = open_source(f"{frame.source}&frames=1")
    assert np.array_equal(frame.planes[0], again.planes[0])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("belt", r"test:belt: the test source is test:conveyor, got 'belt'"),
        ("conveyor?speed=3", r"its options are seed=N, frames=N, size=WxH"),
        ("conveyor?seed", r"seed is a whole number from 0 to 4294967295, got ''"),
        ("conveyor?seed=4294967296", r"seed is a whole number from 0 to 4294967295, got '429"),
        ("conveyor?seed=-1", r"got '-1'"),
        ("conveyor?seed=٣", r"got '٣'"),
        ("conveyor?frames=1e3", r"frames is a whole number from 0 to 1000000000, got '1e3'"),
        ("conveyor?frames=99999999999", r"frames is a whole number"),
        ("conveyor?size=640", r"size is WIDTHxHEIGHT, as in 640x480, each from 64 to 2048"),
        ("conveyor?size=63x480", r"got '63x480'"),
        ("conveyor?size=640x2049", r"got '640x2049'"),
        ("conveyor?size=99999x99999", r"got '99999x99999'"),
        ("conveyor?seed=1&seed=2", r"seed is given twice"),
        ("conveyor?seed=1&", r"its options are"),
    ],
)
def test_a_wrong_address_is_refused_with_what_is_allowed(target, message):
    with pytest.raises(SourceError, match=message):
        open_source(f"test:{target}")


def test_the_first_hundred_frames_of_the_default_show_every_class_and_an_empty_belt():
    conveyor = Conveyor(Scene().seed, Scene().size)
    truths = [conveyor.truth(k) for k in range(0, 100, 4)]
    classes = {int(k) for truth in truths for k in truth.class_ids[~truth.ignored]}
    assert len(classes) == len(LABELS)
    assert min(map(len, truths)) == 0
    assert max(map(len, truths)) > 10
