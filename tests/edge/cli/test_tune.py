from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from measured import repetition, report, run

from edge import board, choices, package
from edge.choices import Choice
from edge.cli import main, tune

MODEL = Path(__file__).parents[2] / "models" / "bccd-yolov6n.edge"
WORDS = ["tune", "--model", str(MODEL)]
RUN = ["run", "--model", str(MODEL), "--source", "test:conveyor?frames=1&size=64x64", "-v"]
CHOICE = Choice("ncnn", "fp32", 3, "ncnn with 3 threads 9.0 ms", "2026-11-22T04:30:00+00:00")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGE_TUNE", raising=False)
    return tmp_path / "cache"


def kept():
    return choices.find(package.read(MODEL), board.identify())


@pytest.fixture
def measured(monkeypatch):
    """What is measured, in place of measuring."""

    def put(*runs):
        monkeypatch.setattr(tune, "measure", lambda *_, **__: report(*runs))

    return put


def test_what_was_measured_is_kept_and_used(cache, capsys):
    words = [*WORDS, "--threads", "1", "--imgsz", "64", "--duration", "0.1", "--force"]
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    choice = kept()
    assert (result["backend"], result["threads"], result["kept"]) == ("ncnn", choice.threads, True)
    assert 1 in {each["threads"] for each in result["report"]["runs"]}
    assert main(RUN) == 0
    message = capsys.readouterr().err.splitlines()[0]
    threads = "1 thread" if choice.threads == 1 else f"{choice.threads} threads"
    assert f"ncnn fp32, {threads} (tuned on {choice.created[:10]}: {choice.reason})" in message
    assert main([*WORDS, "--forget"]) == 0
    assert kept() is None


def test_the_table_and_the_reason_are_printed(measured, capsys):
    measured(run(threads=4), run([0.005, 0.0051, 0.005], threads=2))
    assert main(WORDS) == 0
    out, err = capsys.readouterr()
    head, usual, best, reason = out.splitlines()
    assert head.split() == ["p50", "ms", "p90", "ms", "CPU", "ms", "MB"]
    assert usual.split()[:6] == ["ncnn", "fp32", "320x320", "4", "threads", "10.1"]
    assert best.endswith("<-")
    assert reason == "chosen: ncnn with 2 threads 5.0 ms, usually ncnn with 4 threads 10.1 ms"
    assert "kept in " in err
    assert kept().threads == 2


def test_numbers_in_doubt_are_not_kept_unless_forced(measured, capsys):
    busy = run([], repetitions=(replace(repetition(), others=2.0),) * 3)
    measured(busy)
    assert main(WORDS) == 1
    assert "other programs kept 2.0 cores busy" in capsys.readouterr().err
    assert kept() is None
    assert main([*WORDS, "--force"]) == 0
    assert kept().threads == busy.threads


class TestRun:
    def answer(self, capsys, *words):
        assert main([*RUN, *words]) == 0
        return capsys.readouterr().err.splitlines()[0]

    def test_says_that_nothing_was_tuned(self, capsys):
        assert "(not tuned: edge tune --model M would measure" in self.answer(capsys)

    @pytest.mark.parametrize(
        ("cores", "number"), [(1, "1 thread"), (2, "1 thread"), (4, "3 threads")]
    )
    def test_leaves_one_core_to_what_reads_and_writes(self, cores, number, capsys, monkeypatch):
        monkeypatch.setattr("edge.cli.options.host.threads", lambda asked: asked or cores)
        assert f", {number} (not tuned" in self.answer(capsys)

    def test_uses_what_was_kept_and_says_why(self, capsys):
        choices.keep(CHOICE, package.read(MODEL), board.identify())
        answer = self.answer(capsys)
        assert "ncnn fp32, 3 threads (tuned on 2026-11-22: ncnn with 3 threads 9.0 ms)" in answer

    def test_leaves_it_when_told_to(self, capsys, monkeypatch):
        choices.keep(CHOICE, package.read(MODEL), board.identify())
        for words in (["--threads", "1"], ["--backend", "ncnn"], ["--precision", "fp32"]):
            answer = self.answer(capsys, *words)
            assert answer.endswith("(as the options say)")
            assert "3 threads" not in answer
        monkeypatch.setenv("EDGE_TUNE", "off")
        answer = self.answer(capsys)
        assert answer.endswith("(not tuned: EDGE_TUNE=off)")
        assert "3 threads" not in answer
