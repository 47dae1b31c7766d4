from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.errors import SinkError
from edge.io.draw import annotate
from edge.io.sinks import open_save
from edge.io.sources import open_source
from edge.types import Failure


def written(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_images_keep_their_names_and_none_replaces_another(save_image, result, tmp_path):
    save_image("in/x.jpg")
    sink = open_save(f"{tmp_path}/out", open_source(f"{tmp_path}/in"), ("dog",))
    for name in ("a/x.jpg", "b/x.jpg", "b/x.png", "b/X.JPG", "c/x-2.jpg", "d/日本.webp"):
        sink.write(result(f"{tmp_path}/{name}"))
    sink.close()
    assert written(tmp_path / "out") == sorted(
        ["x.jpg", "x-2.jpg", "x.png", "X-3.JPG", "x-2-2.jpg", "日本.webp"]
    )


def test_the_written_image_is_the_annotated_one(save_image, result, tmp_path):
    save_image("in/x.png")
    sink = open_save(f"{tmp_path}/out", open_source(f"{tmp_path}/in"), ("dog",))
    shown = result(f"{tmp_path}/in/x.png")
    sink.write(shown)
    image = cv2.imread(f"{tmp_path}/out/x.png")
    assert np.array_equal(image, annotate(shown.frame, shown.detections, ("dog",)))


def test_kinds_that_are_only_read_become_png(save_image, result, tmp_path):
    save_image("in/x.jpg")
    sink = open_save(f"{tmp_path}/out", open_source(f"{tmp_path}/in"), ())
    for name in ("x.gif", "y.jp2", "bare"):
        sink.write(result(name))
    assert written(tmp_path / "out") == ["bare.png", "x.png", "y.png"]


def test_a_failure_writes_nothing(save_image, tmp_path):
    save_image("in/x.jpg")
    sink = open_save(f"{tmp_path}/out", open_source(f"{tmp_path}/in"), ())
    sink.write_failure(Failure(0, 0.0, "x.jpg", "broken"))
    sink.close()
    assert written(tmp_path / "out") == []


def test_an_earlier_run_is_replaced(save_image, result, tmp_path):
    save_image("in/x.png")
    for width in (50, 70):
        sink = open_save(f"{tmp_path}/out", open_source(f"{tmp_path}/in"), ())
        sink.write(result("x.png", width=width))
        sink.close()
    assert written(tmp_path / "out") == ["x.png"]
    assert cv2.imread(f"{tmp_path}/out/x.png").shape[1] == 70


def test_one_file_takes_one_image(save_image, result, tmp_path):
    photo = save_image("in/x.jpg")
    sink = open_save(f"{tmp_path}/new/out.png", open_source(str(photo)), ())
    sink.write(result(str(photo)))
    sink.close()
    assert written(tmp_path / "new") == ["out.png"]
    save_image("in/y.jpg")
    with pytest.raises(SinkError, match=r"out\.png: 2 images do not fit one file"):
        open_save(f"{tmp_path}/out.png", open_source(f"{tmp_path}/in"), ())


def test_an_image_too_large_for_its_format_is_a_sink_error(save_image, result, tmp_path):
    photo = save_image("in/x.jpg")
    sink = open_save(f"{tmp_path}/out.jpg", open_source(str(photo)), ())
    with pytest.raises(SinkError, match=r"out\.jpg: OpenCV cannot encode it"):
        sink.write(result(height=1, width=70_000))  # JPEG ends at 65535
    assert written(tmp_path) == ["in", "in/x.jpg"]


def test_a_folder_that_vanishes_is_a_sink_error(save_image, result, tmp_path):
    save_image("in/x.jpg")
    sink = open_save(f"{tmp_path}/out", open_source(f"{tmp_path}/in"), ())
    (tmp_path / "out").rmdir()
    with pytest.raises(SinkError, match=r"out/x\.jpg: No such file"):
        sink.write(result("x.jpg"))
