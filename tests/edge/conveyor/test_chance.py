import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.conveyor.chance import Chance, clouds, drift, turns, unit_vector


def test_the_stream_is_that_of_the_published_generator():
    # The first words of SplitMix64 with seed 0, as its authors' C code prints them.
    chance = Chance()
    assert [chance.word() for _ in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=4), st.integers(1, 50))
def test_words_in_an_array_are_the_words_one_by_one(name, count):
    one, many = Chance(*name), Chance(*name)
    assert many.words(count).tolist() == [one.word() for _ in range(count)]
    assert many.word() == one.word()


def test_octets_are_the_bytes_of_the_words_lowest_first():
    assert Chance().octets(9)[:8].tobytes() == (0xE220A8397B1DCDAF).to_bytes(8, "little")


def test_other_names_give_other_streams():
    names = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (2**32,), (-1,)]
    assert len({Chance(*name).word() for name in names}) == len(names)


def test_numbers_fill_their_range_evenly():
    chance = Chance(4)
    numbers = [chance.uniform(-2, 3) for _ in range(5000)]
    assert -2 <= min(numbers) < -1.98
    assert 2.98 < max(numbers) < 3
    places = np.bincount([chance.below(7) for _ in range(7000)])
    assert len(places) == 7
    assert places.min() > 850
    assert 400 < sum(chance.happens(0.1) for _ in range(5000)) < 600


@pytest.mark.parametrize("time", [0.0, 3.0, 17.0])
def test_drift_has_no_steps(time):
    before, at, after = (drift((1, 2), t) for t in (time + 1 - 1e-9, time + 1, time + 1 + 1e-9))
    assert before == pytest.approx(at, abs=1e-6)
    assert after == pytest.approx(at, abs=1e-6)


def test_clouds_continue_from_the_right_edge_on_the_left_and_nowhere_jump():
    sky = clouds(Chance(3), 40, 90, (10, 15))
    assert sky.dtype == np.float32
    assert np.abs(sky).max() <= 1
    assert np.abs(sky).max() > 0.5
    around = np.concatenate([sky, sky[:, :1]], axis=1)
    # A step of the easing is at most 1.5 of the range per cell.
    assert np.abs(np.diff(around, axis=1)).max() <= 2 * 1.5 / 15 + 1e-6
    assert np.abs(np.diff(sky, axis=0)).max() <= 2 * 1.5 / 10 + 1e-6


@given(st.floats(-3, 3))
def test_unit_vectors_are_cosine_and_sine(turn):
    expected = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    assert unit_vector(turn) == pytest.approx(expected, abs=1e-12)


def test_turns_are_the_angle():
    angle = np.linspace(0, 1, 999, endpoint=False)
    y, x = np.sin(2 * np.pi * angle), np.cos(2 * np.pi * angle)
    result = turns(y.astype(np.float32), x.astype(np.float32))
    away = np.abs(result - angle)
    assert np.minimum(away, 1 - away).max() < 1e-4
