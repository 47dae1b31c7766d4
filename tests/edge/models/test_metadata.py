from __future__ import annotations

import pytest

from edge.models.metadata import Facts, parse_rt_info, parse_yaml, read
from edge.types import Size

NAMES = "{0: 'person', 1: \"it's\"}"


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": NAMES, "task": "detect", "imgsz": "[480, 640]", "end2end": "True"},
        {"meta": f"{{'names': {NAMES}, 'task': 'detect', 'imgsz': [480, 640], 'end2end': True}}"},
        {
            "bizCode": '{"names": {"0": "person", "1": "it\'s"}, "task": "detect", '
            '"imgsz": [480, 640], "end2end": true}'
        },
    ],
    ids=["onnx", "tflite", "mnn"],
)
def test_reads_what_exporters_write(metadata):
    assert read(metadata) == Facts("detect", ("person", "it's"), Size(480, 640), True)


def test_reads_the_file_beside_an_ncnn_model():
    text = "\n".join(
        [
            "description: Ultralytics model",
            "task: detect",
            "imgsz:",
            "- 320",
            "- 416",
            "names:",
            "  0: person",
            "  1: traffic light",
            "stride: 32",
        ]
    )
    assert read(parse_yaml(text)) == Facts("detect", ("person", "traffic light"), Size(320, 416))


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"names": "__import__('os').system('true')"},
        {"names": "{1: 'a', 2: 'b'}"},
        {"names": "{'x': 'a'}", "imgsz": "[0, 640]", "task": "7"},
        {"imgsz": "[640]"},
        {"names": "[" * 5000},
        {"names": "a" * (2 << 20)},
    ],
)
def test_passes_over_what_it_does_not_understand(metadata):
    assert read(metadata) == Facts()


def test_a_list_of_names_and_a_square_size():
    assert read({"names": "['a', 'b']", "imgsz": "320"}) == Facts(
        None, ("a", "b"), Size(320, 320), None
    )


def test_reads_what_an_openvino_model_says_of_itself():
    layer = '<layer><rt_info><labels value="of a layer"/></rt_info></layer>'
    info = '<rt_info><model_info><labels value="person it&apos;s"/></model_info></rt_info>'
    more = (
        '<rt_info><framework><names value="{0: &apos;a b&apos;}"/><task value="obb"/></framework>'
    )
    assert read(parse_rt_info(f"<net>{layer}{info}</net>")).labels == ("person", "it's")
    assert read(parse_rt_info(f"<net>{more}</net>")) == Facts("obb", ("a b",))
    for text in ("", "<net/>", "<rt_info>", "<rt_info><labels", "\0" * 9):
        assert read(parse_rt_info(text)) == Facts()
