from __future__ import annotations

import pytest

from edge.errors import SourceError
from edge.pipeline import open_feed


def test_a_rate_and_a_priority_may_follow_any_address():
    feed = open_feed("test:conveyor?frames=2&size=96x64#fps=5&priority=2.5", policy="drop-latest")
    assert (feed.rate, feed.priority, feed.policy) == (5.0, 2.5, "drop-latest")
    assert feed.name == "test:conveyor?frames=2&size=96x64"
    assert feed.source.count == 2


def test_without_them_all_frames_count_the_same():
    feed = open_feed("test:conveyor?frames=2")
    assert (feed.rate, feed.priority, feed.effective_policy) == (None, 1.0, "wait")


def test_a_file_whose_name_has_the_mark_is_that_file(tmp_path):
    import cv2
    import numpy as np

    path = str(tmp_path / "a#fps=5.png")
    cv2.imwrite(path, np.zeros((4, 4, 3), np.uint8))
    assert open_feed(path).rate is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("fp=5", "did you mean fps"),
        ("fps=x", "fps is a number, got 'x'"),
        ("fps=5&fps=6", "given twice"),
        ("fps=0", "a rate is above 0"),
        ("priority=nan", "a priority is from"),
        ("", "what follows # is fps or priority=NUMBER"),
        ("Hunter2", "1: what follows # is fps or priority=NUMBER; a # of the URL itself"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(SourceError, match=message):
        open_feed(f"test:conveyor?frames=1#{options}")


def test_no_password_is_shown():
    with pytest.raises(SourceError) as error:
        open_feed("http://user:secret@127.0.0.1:9/#fps=x")
    assert "secret" not in str(error.value)
