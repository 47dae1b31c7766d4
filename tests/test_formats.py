"""The reference pages of the formats say what the readers and writers do, key by key."""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pages

from edge import bundled, manifest
from edge.cli import config, run
from edge.formats import toml
from edge.io import recording
from edge.io.datasets import yolo
from edge.io.sinks.jsonl import failure_object, result_object
from edge.io.sinks.log import Log
from edge.io.sinks.record import Recorder
from edge.pipeline import Summary, address
from edge.pipeline.summary import DROPS
from edge.types import Detections, Event, Failure, Frame, Latency, Result

FAILURE = Failure(1, 2.5, "clip.mp4", "damaged")
RESULT = Result(
    Frame.of(np.zeros((4, 6, 3), np.uint8)),
    Detections(
        np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32), np.zeros(1, np.int32)
    ),
    Latency(0.001, 0.002, 0.003),
)


def page(name, folder="edge"):
    return pages.read(f"{folder}/docs/reference/{name}.md")


def keys(value, path=""):
    """Every key of nested data, as `a`, `a.b` or `list[].b`; of a list the first member counts."""
    if isinstance(value, list):
        yield from keys(value[0], f"{path}[]") if value else ()
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (name := f"{path}.{key}" if path else key)
            yield from keys(inner, name)


def examples(text):
    return [json.loads(block) for block in pages.blocks(text, "json")]


def test_a_package_has_the_keys_of_its_page():
    (example,) = pages.blocks(page("package"), "toml")
    text = manifest.loads(example.encode(), "package.md")
    assert manifest.dumps(text).decode() == example
    written = toml.loads(manifest.dumps(text), "")
    tables = {"[model]": "model", "[input]": "input", "[[artifacts]]": "artifacts"}
    for head, key in tables.items():
        start = "in each" if key == "artifacts" else "in"
        inner = written[key][0] if key == "artifacts" else written[key]
        assert set(pages.table(page("package"), f"{start} `{head}`")) == set(inner)
    top = {key for key, value in written.items() if not isinstance(value, dict | list)}
    assert set(pages.table(page("package"), "key")) == top
    facts = pages.table(page("package"), "in `[provenance]`")
    assert set(facts) == set(written["provenance"])
    # The bundled package is where the example comes from.
    assert text.spec == manifest.loads((bundled.MODEL / "model.toml").read_bytes(), "").spec


def test_a_spec_has_the_keys_of_its_page():
    from calibration.quant.spec import spec_file

    text = page("spec", "calibration")
    (example,) = pages.blocks(text, "json")
    spec = spec_file.loads(example)
    assert spec_file.dumps(spec) == example
    scheme = spec.schemes["symmetric"]
    (name,) = scheme.layers
    bias, codes = np.zeros(3, np.float32), np.ones(27, np.int8)
    layer = replace(scheme.layers[name], bias=bias, rounding_offsets=codes)
    written = json.loads(
        spec_file.dumps(replace(spec, schemes={"symmetric": replace(scheme, layers={name: layer})}))
    )
    inner = written.pop("schemes")["symmetric"]
    targets = written.pop("targets")
    expected = {*written, "schemes", *(f"targets.{t}.{k}" for t in targets for k in targets[t])}
    assert set(pages.table(text, "key")) == expected
    expected = {*inner, *(f"layers.*.{key}" for key in inner["layers"][name])}
    assert set(pages.table(text, "in each scheme")) == expected


def test_json_lines_have_the_keys_of_their_page():
    text = page("json-lines")
    result, failure = examples(text)
    written = result_object(RESULT, ["bolt"])
    assert set(keys(result)) == set(keys(written))
    assert set(failure) == set(failure_object(FAILURE))
    listed = set(pages.table(text, "key"))
    assert {key for key in listed if "error" not in key} >= {
        key for key in keys(written) if not key.startswith("latency_ms.")
    }
    stages = set(re.findall(r"`(\w+)`", pages.table(text, "key")["latency_ms"][-1]))
    assert stages == set(written["latency_ms"])


def test_the_example_of_a_json_line_is_what_the_first_command_prints():
    command = [sys.executable, "-m", "edge", "run", "--json", "--max-frames", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    real, shown = json.loads(done.stdout), examples(page("json-lines"))[0]
    assert len(real["detections"]) == 10
    for name in ("frame", "source", "time", "width", "height"):
        assert real[name] == shown[name]
    for one, other in zip(real["detections"], shown["detections"], strict=False):
        assert one["name"] == other["name"]
        np.testing.assert_allclose(one["box"], other["box"], atol=2)


def test_events_have_the_keys_of_their_page():
    text, stream = page("events"), io.StringIO()
    waiting, summary = examples(text)
    Log(stream).event(Event("waiting", "", 1.0, "0.4 s"))
    assert set(waiting) == set(json.loads(stream.getvalue())) == set(pages.table(text, "key"))
    counted = set(pages.table(text, "further keys of `summary`"))
    assert counted == {each.name for each in fields(Summary)} | {"seen"}
    assert set(summary) - {"event", "subject", "time"} <= counted


def test_every_event_that_the_code_knows_is_on_the_page():
    files = ("edge/io/sources/live.py", "edge/pipeline/engine.py", "edge/io/sinks/log.py")
    code = "".join(map(pages.read, (*files, "edge/cli/run.py")))
    names = set(re.findall(r"(?:[eE]vent|say)\(\s*\"(\w+)\"", code))
    assert set(pages.table(page("events"), "`event`")) == names


def test_a_recording_has_the_keys_of_its_page(tmp_path, monkeypatch):
    text = page("recording")
    for item, listed in ((RESULT, "key of the head"), (FAILURE, "head of a failure")):
        record = b"".join(map(bytes, recording.encoded(item)))
        size = int.from_bytes(record[4:8], "little")
        assert set(pages.table(text, listed)) == set(json.loads(record[16 : 16 + size]))
    monkeypatch.chdir(tmp_path)
    sink = Recorder(tmp_path / "belt.edgerec")
    sink.write(RESULT)
    sink.write_failure(FAILURE)
    sink.close()
    (example,) = pages.blocks(text, "python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)
    assert done.stdout == "2 records\n0 4x6 1 boxes\n1 damaged\n", done.stderr


def test_the_configuration_is_read_as_its_page_says(tmp_path):
    (example,) = pages.blocks(page("configuration"), "toml")
    file = tmp_path / "camera.toml"
    file.write_text(example)
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    args = parser.parse_args(config.with_file(parser, ["--config", str(file), "--conf", "0.6"]))
    assert (args.conf, args.max_age, args.json) == (0.6, 0.5, True)
    assert args.source == toml.loads(example.encode(), "")["source"]
    several = [a for a in parser._actions if a.nargs == "+" or type(a).__name__ == "_AppendAction"]
    (row,) = (line for line in page("configuration").splitlines() if "with several" in line)
    assert set(re.findall(r"`([\w-]+)`", row)) == {action.dest for action in several}


def test_what_follows_a_source_is_on_its_page():
    listed = pages.table(page("sources"), "after `#`, for every source")
    assert set(listed) == set(address._KEYS)


def test_every_reason_to_drop_a_frame_is_explained():
    text = pages.read("edge/docs/explanation/pipeline.md")
    assert set(pages.table(text, "dropped as")) == set(DROPS)


def test_a_data_file_is_read_as_its_page_says(tmp_path):
    (example,) = pages.blocks(page("datasets"), "yaml")
    for name in (
        "images/train/1.jpg",
        "images/a/deep/2.jpg",
        "images/b/3.jpg",
        "images/test/4.jpg",
    ):
        (image := tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    (tmp_path / "parts" / "b.txt").write_text("./images/b/3.jpg\n")
    (label := tmp_path / "parts/labels/a/deep/2.txt").parent.mkdir(parents=True)
    label.write_text("1 .5 .5 .2 .2\n")
    (file := tmp_path / "site" / "data.yaml").parent.mkdir()
    file.write_text(example)
    assert set(yolo.split_names(file)) == {"train", "val", "test"}
    held = yolo.read(file, "val")
    assert [sample.path.stem for sample in held.samples] == ["2", "3"]
    assert held.names == ("bolt", "nut")
