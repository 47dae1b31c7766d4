from __future__ import annotations

import importlib
import json
import mmap
import os
from dataclasses import replace
from pathlib import Path

import boards
import numpy as np
import pytest

from edge import child, trial
from edge.backends import BACKENDS
from edge.bench.measure import Settings, measure, plan, take_frames
from edge.bench.report import METRICS, Report
from edge.bench.worker import load_frames, memory, save_frames
from edge.errors import ModelError, SourceError
from edge.installed import RUNTIMES
from edge.io.sources import open_source
from edge.package import write
from edge.recognize import open_model
from edge.types import Failure, Frame, Size

HOST = "host-of-this-test"
QUICK = Settings(seconds=0.3, repetitions=3, warm_up=0.0, rate=1000)


@pytest.fixture(scope="module")
def model(shared, tmp_path_factory):
    """An official model as a package: its path, and what is in it."""
    package = open_model([shared / "models" / "yolov6lite" / "yolov6-lite-s.param"]).package
    path = tmp_path_factory.mktemp("model") / "lite.edge"
    write(package, path)
    return path, package


def source():
    return open_source("test:conveyor?frames=4&size=160x120")


@pytest.fixture(scope="module")
def measured(model, tmp_path_factory):
    """Two configurations, on a throttled Raspberry Pi 4 as far as its files tell."""
    path, package = model
    uname = os.uname()
    chosen = plan(package, None, None, [1, 2], [Size(64, 64)])
    root = boards.pi4(tmp_path_factory.mktemp("pi4"), throttled=0x50005)
    message = []
    with pytest.MonkeyPatch.context() as patch:  # a name that no word of a report can hold
        patch.setattr(os, "uname", lambda: os.uname_result((*uname[:1], HOST, *uname[2:])))
        report = measure(path, package, chosen, source(), QUICK, root=root, progress=message.append)
    return report, message


def test_a_throttled_board_is_marked(measured):
    report, _ = measured
    assert report.board.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert not report.valid
    for run in report.runs:
        assert any("held back: throttled, undervoltage" in reason for reason in run.invalid)


def test_every_configuration_is_measured_in_turns(measured):
    report, message = measured
    assert [run.threads for run in report.runs] == [1, 2]
    assert [len(run.repetitions) for run in report.runs] == [3, 3]
    assert [line.split()[0] for line in message] == ["1/3", "1/3", "2/3", "2/3", "3/3", "3/3"]
    assert [line.split()[-2] for line in message] == ["1", "2", "2", "1", "1", "2"]


def test_the_numbers_hang_together(measured):
    report, _ = measured
    for run in report.runs:
        assert (run.input, run.precision) == (Size(64, 64), "fp32")
        for each in run.repetitions:
            assert 0 < each.inference.p50 <= each.latency.p50
            assert each.latency.p50 <= each.latency.p90 <= each.latency.p99
            assert 0 < each.load < each.cold_start
            assert 0 < each.frame_age.p50 <= each.frame_age.p99
            assert each.frames >= 5
            assert each.peak_memory > 10_000_000
            assert each.cpu_per_frame > 0
            assert each.throughput > 0
        assert run.model_bytes > 1_000_000
        assert {"python", "numpy", "ncnn"} <= run.versions.keys()


def test_the_report_is_complete_and_names_no_path(measured, model):
    report, _ = measured
    text = json.dumps(report.as_json())
    assert Report.from_json(json.loads(text)) == report
    assert str(model[0]) not in text
    assert str(Path.home()) not in text
    assert HOST not in text
    assert set(json.loads(text)["runs"][0]["summary"]) == set(METRICS)


def test_every_backend_is_measured(tmp_path):
    for runtime in ("MNN", "ai_edge_litert", "onnxruntime", "onnx"):
        pytest.importorskip(runtime)
    bccd = Path(__file__).parents[2] / "models" / "bccd-yolov6n.edge"
    package = importlib.import_module("every_backend").converted(bccd, side=64)
    path = tmp_path / "all.edge"
    write(package, path)
    chosen = plan(package, BACKENDS, None, [1], [None])
    report = measure(path, package, chosen, source(), QUICK)
    assert [run.backend for run in report.runs] == list(BACKENDS)
    for run in report.runs:
        assert run.error == ""
        assert len(run.repetitions) == 3
        assert run.value("inference_p50") > 0
        assert set(run.versions) & set(RUNTIMES[run.backend])
    assert len({run.sha256 for run in report.runs}) == len(BACKENDS)


def test_a_first_opening_s_trial_is_over_before_anything_is_measured(model, monkeypatch):
    path, package = model
    order = []
    monkeypatch.setattr(trial, "ensure", lambda name, _: order.append(name))
    call = child.call
    monkeypatch.setattr(child, "call", lambda *a, **k: (order.append("run"), call(*a, **k))[1])
    measure(path, package, plan(package, None, None, [1], [Size(64, 64)]), source(), QUICK)
    assert order == ["ncnn", "run", "run", "run"]


def test_a_configuration_that_dies_is_reported_and_the_rest_goes_on(model, tmp_path, monkeypatch):
    _, package = model
    deadly = tmp_path / "onnxruntime"
    deadly.mkdir()
    (deadly / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    monkeypatch.syspath_prepend(tmp_path)
    other = replace(package.artifacts[0], backend="onnxruntime", files={"onnx": b"any"})
    both = replace(package, artifacts=(other, *package.artifacts))
    file = tmp_path / "both.edge"
    write(both, file)
    chosen = plan(both, {"onnxruntime", "ncnn"}, None, [1], [Size(64, 64)])
    report = measure(file, both, chosen, source(), QUICK, root=boards.pi5(tmp_path / "pi5"))
    dead, alive = report.runs
    assert dead.error.startswith("killed by SIGILL")
    assert dead.invalid == (dead.error,)
    assert not dead.repetitions
    assert len(alive.repetitions) == 3
    assert not report.valid


def test_a_size_that_does_not_fit_is_an_error_of_that_configuration(model, tmp_path):
    path, package = model
    chosen = plan(package, None, None, [1], [Size(65, 64)])
    report = measure(path, package, chosen, source(), QUICK, root=tmp_path)
    assert "multiple of" in report.runs[0].error


def test_plans_every_combination(model):
    _, package = model
    result = plan(package, {"ncnn"}, None, [1, 2], [None, Size(64, 64)])
    assert [(each.threads, each.input) for each in result] == [
        (1, None),
        (1, Size(64, 64)),
        (2, None),
        (2, Size(64, 64)),
    ]
    assert {each.precision for each in result} == {"fp16"}


def test_plans_float_and_int8_apart(model):
    _, package = model
    int8 = replace(package.artifacts[0], precision="int8")
    both = replace(package, artifacts=(int8, *package.artifacts))

    def precisions(backends, precision):
        return [each.precision for each in plan(both, backends, precision, [1], [None])]

    assert precisions({"ncnn"}, None) == ["int8", "fp16"]
    assert precisions(None, None) == ["int8"]
    assert precisions({"ncnn"}, "fp32") == ["fp32"]
    assert precisions({"ncnn"}, "int8") == ["int8"]


def test_an_artifact_that_is_not_there_is_named(model):
    with pytest.raises(ModelError, match="no artifact for mnn; there are: ncnn"):
        plan(model[1], {"mnn"}, None, [1], [None])


def test_fewer_than_three_repetitions_are_refused():
    with pytest.raises(ValueError, match="at least 3, got 2"):
        Settings(repetitions=2)


def test_frames_come_back_as_they_were(tmp_path):
    random = np.random.default_rng(0)
    luma = random.integers(0, 255, (8, 8), np.uint8)
    frames = [
        Frame((random.integers(0, 255, (8, 6, 3), np.uint8),), "BGR"),
        Frame((luma, luma[::2, ::2].copy(), luma[1::2, ::2].copy()), "I420"),
    ]
    save_frames(tmp_path / "f.npz", frames)
    result = load_frames(tmp_path / "f.npz")
    assert [frame.format for frame in result] == ["BGR", "I420"]
    for frame, same in zip(frames, result, strict=True):
        assert all(map(np.array_equal, frame.planes, same.planes))


def test_a_source_without_frames_is_an_error():
    class Broken:
        closed = False

        def __iter__(self):
            return iter([Failure(0, 0.0, "a.jpg", "not an image")])

        def close(self):
            self.closed = True

    broken = Broken()
    with pytest.raises(SourceError, match="no frames to measure with: not an image"):
        take_frames(broken)
    assert broken.closed


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_follows_what_is_held():
    before = memory("VmRSS")
    with mmap.mmap(-1, 50_000_000) as held:  # of the system: an array may be memory freed before
        held.write(bytes(1) * len(held))
        assert memory("VmRSS") - before > 40_000_000
    assert memory("VmHWM") >= before + 40_000_000
