from __future__ import annotations

import copy
import json

import pytest
from measured import repetition, report, run, state

from edge.bench.report import METRICS, Report, in_words, read
from edge.errors import DataError


def as_json(result):
    return json.loads(json.dumps(result.as_json()))


def test_a_report_comes_back_from_its_json():
    result = report(run(), run(threads=1), run(repetitions=(), error="killed by SIGILL"))
    assert Report.from_json(as_json(result)) == result


def test_a_device_is_part_of_what_was_measured_and_was_the_cpu_where_a_report_has_none():
    result = report(run(), run(device="vulkan"))
    assert [each.key for each in result.runs] == [
        "ncnn fp32 320x320 4 threads",
        "ncnn on vulkan fp32 320x320 4 threads",
    ]
    values = as_json(result)
    assert Report.from_json(values) == result
    for each in values["runs"]:
        del each["device"]
    assert {each.device for each in Report.from_json(values).runs} == {"cpu"}


def test_the_json_has_verdicts_and_summaries_for_those_who_do_not_use_python():
    values = as_json(report(run(), run(repetitions=(), error="killed by SIGILL")))
    assert values["valid"] is False
    assert [each["invalid"] for each in values["runs"]] == [[], ["killed by SIGILL"]]
    assert values["runs"][0]["summary"].keys() == METRICS.keys()
    assert values["runs"][0]["summary"]["latency_p50"] == pytest.approx(10.1)
    assert values["runs"][1]["summary"] == {}


def test_threads_are_said_as_people_do():
    assert [in_words(n) for n in (0, 1, 2)] == ["all cores", "1 thread", "2 threads"]


def test_a_value_is_the_median_of_the_repetitions():
    assert run((0.010, 0.030, 0.020)).value("latency_p50") == pytest.approx(20)


def test_throughput_and_memory_have_their_units():
    result = run((0.020,) * 3)
    assert result.value("throughput") == pytest.approx(50)
    assert result.value("peak_memory") == pytest.approx(50)


def test_a_throttled_run_makes_the_report_invalid():
    hot = repetition(after=state(limits=("throttled",)))
    result = report(run(repetitions=(repetition(), hot, repetition())))
    assert not result.valid
    assert result.runs[0].invalid == ("the machine was held back: throttled",)
    assert report().valid


def damaged():
    whole = as_json(report())
    for change in (
        lambda v: v.pop("runs"),
        lambda v: v.update(format="edge bench 99"),
        lambda v: v.update(board=3),
        lambda v: v["runs"][0].pop("input"),
        lambda v: v["runs"][0].update(input=[0, 320]),
        lambda v: v["runs"][0]["repetitions"][0].update(latency={"p50": 1.0}),
        lambda v: v["runs"][0]["repetitions"][0].update(throughput="fast"),
        lambda v: v["runs"][0]["repetitions"][0].update(throughput=float("nan")),
        lambda v: v["runs"][0]["repetitions"][0].update(cold_start=-1.0),
        lambda v: v["runs"][0]["repetitions"][0].update(surprise=1),
        lambda v: v["runs"][0]["repetitions"][0]["before"].update(clocks=[1]),
    ):
        values = copy.deepcopy(whole)
        change(values)
        yield json.dumps(values).encode()
    yield b"[]"
    yield b"not JSON"
    yield b"\xff\xfe"
    yield b"[" * 100_000


@pytest.mark.parametrize("content", list(damaged()))
def test_a_damaged_file_is_refused_by_name(tmp_path, content):
    file = tmp_path / "r.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"r\.json: "):
        read(file)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"r\.json: No such file"):
        read(tmp_path / "r.json")
