from __future__ import annotations

from xml.etree import ElementTree as ET

from measured import report, run

from edge.bench.plot import bars, lines
from edge.bench.soak import Sample, Soak

SVG = "{http://www.w3.org/2000/svg}"


def texts(image):
    return [element.text for element in ET.fromstring(image).iter(f"{SVG}text")]


def test_every_configuration_has_its_bar_and_numbers():
    image = bars(report(run((0.01,) * 3), run((0.02,) * 3, threads=1)))
    result = texts(image)
    assert "ncnn fp32 320x320 4 threads" in result
    assert "20.0 ms, 50.0 frames/s" in result
    widths = [
        float(rect.get("width"))
        for rect in ET.fromstring(image).iter(f"{SVG}rect")
        if rect.get("height") == "18"
    ]
    assert len(widths) == 6
    assert abs(sum(widths[3:]) - 2 * sum(widths[:3])) < 0.5


def test_failed_and_invalid_runs_say_why():
    result = texts(bars(report(run((0.01, 0.02, 0.03)), run(repetitions=(), error="killed <&>"))))
    assert any(text.startswith("invalid: repetitions differ") for text in result)
    assert "killed <&>" in result


def test_a_report_of_failures_alone_is_an_image():
    assert "broken" in texts(bars(report(run(repetitions=(), error="broken"))))


def test_a_soak_is_curves():
    samples = tuple(
        Sample(float(k), 9, 0.01 + k / 1e3, 10**7, 50.0 + k, None, ()) for k in range(9)
    )
    image = lines(Soak(samples), "lite-s")
    assert len(list(ET.fromstring(image).iter(f"{SVG}polyline"))) == 3
    assert "hottest sensor, °C" in texts(image)


def test_a_soak_without_samples_is_an_image():
    assert texts(lines(Soak(()), "nothing")) == ["nothing"]
