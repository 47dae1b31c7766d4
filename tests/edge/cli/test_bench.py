from __future__ import annotations

import json

import pytest
from measured import report, run

from edge.bench import report as reports
from edge.cli import bench, main

QUICK = ("--threads", "1", "--imgsz", "64", "--duration", "0.3", "--repeat", "3")


@pytest.fixture
def model(shared):
    return str(shared / "models" / "yolov6lite" / "yolov6-lite-s.param")


def test_measures_writes_and_compares(model, tmp_path, capsys):
    share, plot = tmp_path / "new" / "r.json", tmp_path / "r.svg"
    words = ["bench", "--model", model, *QUICK, "--note", "fan", "--share", str(share)]
    status = main([*words, "--plot", str(plot)])
    result = reports.read(share)
    out = capsys.readouterr().out
    assert "ncnn fp32 64x64 1 thread" in out
    assert result.note == "fan"
    assert result.settings["source"] == "test:conveyor"
    assert plot.read_text().startswith("<svg")
    # This machine may be busy: then the report says so, and the status with it.
    assert status == (0 if result.valid else 1)
    assert ("INVALID" in out) == (not result.valid)

    status = main([*words, "--json", "--against", str(share)])
    out, err = capsys.readouterr()
    again = reports.Report.from_json(json.loads(out))
    assert again.runs[0].key == result.runs[0].key
    if result.valid and again.valid:
        assert ("WORSE" in err) == (status == 1)
    else:
        assert status == 1
        assert not result.valid or "not compared: " in err or again.runs[0].invalid


def test_a_device_is_measured_or_said_to_be_missing(tmp_path, capsys):
    words = ["bench", *QUICK[:2], *QUICK[4:], "--device", "vulkan", "--share", str(tmp_path / "r")]
    status = main([*words, "--backend", "all"])
    (result,) = reports.read(tmp_path / "r").runs
    assert (result.backend, result.device) == ("ncnn", "vulkan")
    assert result.key.startswith("ncnn on vulkan ")
    if not result.repetitions:
        assert status == 1
        assert "INVALID: " in capsys.readouterr().out
        assert "vulkan: " in result.error


def test_a_regression_ends_with_status_1(model, tmp_path, capsys, monkeypatch):
    before, after = report(), report(run([0.02, 0.0201, 0.0202]))
    (tmp_path / "r.json").write_text(json.dumps(before.as_json()))
    for result, status, word in ((after, 1, "WORSE"), (before, 0, "no change beyond the noise")):
        monkeypatch.setattr(bench, "measure", lambda *_, result=result, **__: result)
        words = ["bench", "--model", model, "--against", str(tmp_path / "r.json")]
        assert main(words) == status
        assert word in capsys.readouterr().out


def test_reports_of_other_machines_are_bad_usage(model, tmp_path, capsys, monkeypatch):
    (tmp_path / "r.json").write_text(json.dumps(report(model="Other").as_json()))
    monkeypatch.setattr(bench, "measure", lambda *_, **__: report())
    words = ["bench", "--model", model, "--against", str(tmp_path / "r.json")]
    assert main(words) == 2
    assert "different machines" in capsys.readouterr().err


def test_a_file_that_is_no_report_is_named_before_measuring(model, tmp_path, capsys):
    (tmp_path / "r.json").write_text("{}")
    assert main(["bench", "--model", model, "--against", str(tmp_path / "r.json")]) == 1
    assert "r.json: not a report of `edge bench`" in capsys.readouterr().err


def test_a_folder_is_no_file_to_write(model, tmp_path, capsys):
    assert main(["bench", "--model", model, *QUICK, "--share", str(tmp_path)]) == 2
    assert "is a folder; wanted a file" in capsys.readouterr().err


def test_soaks(model, tmp_path, capsys):
    words = ["bench", "--model", model, "--imgsz", "64", "--threads", "1", "--soak", "2s"]
    status = main([*words, "--json", "--plot", str(tmp_path / "s.svg")])
    result = json.loads(capsys.readouterr().out)
    assert status == (1 if result["problems"] else 0)
    assert sum(sample["frames"] for sample in result["samples"]) > 5
    assert all(sample["memory"] > 10_000_000 for sample in result["samples"])
    assert (tmp_path / "s.svg").read_text().startswith("<svg")


def test_a_soak_takes_one_configuration(model, capsys):
    assert main(["bench", "--model", model, "--threads", "1", "2", "--soak", "2s"]) == 2
    assert "--soak takes one configuration, these are 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (" 5s ", 5)]
)
def test_reads_durations(text, seconds):
    assert bench.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "0", "0.0s", "-5", "5d", "1e3", "9999999"])
def test_refuses_what_is_no_duration(text):
    with pytest.raises(ValueError, match="a duration is a number of s, m or h"):
        bench.duration(text)
