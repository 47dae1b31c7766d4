from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from calibration.report import figures
from calibration.report.facts import (
    BINS,
    Facts,
    Histogram,
    Layer,
    Point,
    Row,
    Scheme,
    Target,
    plain,
)
from calibration.report.page import Pair, page
from edge.evaluate import Agreement
from edge.evaluate.bootstrap import Difference
from edge.types import Detections

cv2 = pytest.importorskip("cv2")

ALIKE = Agreement(0.93, 0.98, 0.91, 0.92, 200, 198, 182)
NONE = Agreement(-1.0, -1.0, -1.0, -1.0, 0, 0, 0)
NAN = float("nan")
LABELS = {"AP": Difference(0.35, 0.345, -0.012, 0.003)}
SEEN = Histogram.of(np.linspace(-1, 3, 200), np.arange(200.0))
EVIL = '<script>alert("x")</script>'


def layer(name: str, *, cost: float | None = 0.1, why: str = "") -> Layer:
    return Layer(name, "3x3, 8 to 8", 0.25, why, cost, None if why else (-1.0, 2.0), 0.001, SEEN)


def facts(**changes) -> Facts:
    target = Target(
        "ncnn", "symmetric", Row("ncnn", ALIKE, LABELS), ALIKE, {"scores": (21.5, 20.9)},
        40, 2, 0.07, 1_200_000, 2_400_000, 0.010, 0.018, 1,
    )  # fmt: skip
    scheme = Scheme(
        "symmetric",
        ("ncnn",),
        (Row("weights only", ALIKE, LABELS), Row("both", NONE)),
        (layer("conv1"), layer(EVIL, cost=None), layer("dw", why="depthwise")),
        (Point(0, 0.0, ALIKE), Point(8, 0.1, ALIKE)),
    )
    values = {
        "name": EVIL, "family": "yolov6", "input": "320x320", "labels": ("a", "b"),
        "created": "2026-11-22", "version": "1", "machine": "a board", "recipe": "default",
        "seed": 0, "model_sha256": "0" * 64, "images_sha256": "1" * 64, "observed": 100,
        "held_out": 25, "labeled": True, "limits": "agreement 90/96", "warnings": (EVIL,),
        "seconds": {"observe": 3.0}, "targets": (target,), "schemes": (scheme,),
        "recipe_facts": {"loss": NAN},
    }  # fmt: skip
    return Facts(**{**values, **changes})


def detections_of(count: int) -> Detections:
    corners = np.array([[10.0, 10, 40, 40]] * count, np.float32).reshape(-1, 4)
    return Detections(corners, np.full(count, 0.8, np.float32), np.zeros(count, np.int32))


def pair() -> Pair:
    image = np.full((100, 840, 3), 127, np.uint8)
    return Pair("a.jpg", image, detections_of(1), detections_of(0), "ncnn", ALIKE)


class Balance(HTMLParser):
    """Opens and closes what it meets, and lists the tags."""

    EMPTY = ("meta", "img", "path", "rect", "circle", "polyline", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in self.EMPTY or tag in ("rect", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_stands_alone():
    text = page(facts(), [pair()])
    parsed = Balance(text)
    assert parsed.open == []
    assert not parsed.tags & {"script", "link", "iframe", "object"}
    assert "http" not in text
    assert "url(" not in text
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_the_page_says_what_was_measured():
    text = page(facts(), [])
    for words in ("93.0 / 98.0", "91.0 %", "40 of 42", "7.0 %", "1.20 MB", "1.80 times",
                  "-0.5 <small>-1.2 … +0.3</small>", "21.5 dB", "20.9 dB", "weights only",
                  "nothing to compare", "agreement 90/96", "float: depthwise"):  # fmt: skip
        assert words in text, words


def test_every_figure_is_well_formed():
    drawn = re.findall(r"<svg.*?</svg>", page(facts(), []), re.DOTALL)
    assert len(drawn) >= 7
    for each in drawn:
        ET.fromstring(each)


def test_images_show_the_boxes_of_each_side():
    found_ = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page(facts(), [pair()]))
    shown = [
        cv2.imdecode(np.frombuffer(base64.b64decode(each), np.uint8), cv2.IMREAD_COLOR)
        for each in found_
    ]
    assert [image.shape for image in shown] == [(50, 420, 3)] * 2
    spread = [image.std() for image in shown]
    assert spread[0] > 5 > spread[1]


def test_a_model_without_labels_and_without_layers_has_a_page():
    bare = Scheme("asymmetric", ("tflite",), (Row("both", ALIKE),), ())
    text = page(facts(schemes=(bare,), warnings=(), labeled=False), [])
    assert Balance(text).open == []
    assert "Agreement over float layers" not in text


def test_json_has_the_same_facts_and_no_nan():
    text = json.dumps(plain(facts()), allow_nan=False)
    read = json.loads(text)
    assert read["targets"][0]["row"]["agreement"]["ap50"] == 0.98
    assert read["schemes"][0]["layers"][0]["histogram"]["counts"] == list(SEEN.counts)
    assert read["recipe_facts"]["loss"] is None


def test_a_histogram_keeps_every_value():
    values, counts = np.array([-2.0, 0.0, 5.0]), np.array([1.0, 10.0, 3.0])
    made = Histogram.of(values, counts)
    assert (made.low, made.high, sum(made.counts)) == (-2.0, 5.0, 14)
    assert (made.counts[0], made.counts[-1], len(made.counts)) == (1, 3, BINS)


@pytest.mark.parametrize("values", [[], [0.0], [7.0]])
def test_a_tensor_of_one_value_can_be_drawn(values):
    made = Histogram.of(np.array(values), np.ones(len(values)))
    ET.fromstring(figures.spread(made, (0.0, 1.0)))


def test_a_change_without_an_interval_can_be_drawn():
    drawn = figures.whiskers(Difference(0.3, 0.2, NAN, NAN), 10.0)
    assert "whisker" not in drawn
    ET.fromstring(drawn)


def test_clip_marks_lie_where_the_range_ends():
    made = Histogram.of(np.array([0.0, 10.0]), np.ones(2))
    assert 'd="M45.0 0V30M135.0 0V30"' in figures.spread(made, (2.5, 7.5))
