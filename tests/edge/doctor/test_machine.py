from __future__ import annotations

import boards
import pytest

from edge.doctor.machine import check_board, check_power, check_space


def of(findings, check):
    return [finding for finding in findings if finding.check == check]


def test_names_the_board(tmp_path):
    board, cpu = check_board(boards.pi5(tmp_path))
    assert board.what == (
        "Raspberry Pi 5 Model B Rev 1.0; aarch64, 8.5 GB; Linux 6.12.47+rpt-rpi-2712"
    )
    assert "4 x Cortex-A76, 4 cores: asimd" in cpu.what
    assert (board.level, cpu.level) == ("ok", "ok")


def test_says_that_int8_may_not_pay_without_dot_products(tmp_path):
    (cpu,) = of(check_board(boards.pi4(tmp_path)), "CPU")
    assert cpu.level == "note"
    assert "edge bench" in cpu.fix


@pytest.mark.parametrize(
    ("bits", "level", "words"),
    [
        (0, "ok", "not held back"),
        (0x50005, "warning", "held back now: throttled, undervoltage"),
        (0x10000, "warning", "since it was started: undervoltage"),
        (0x40000, "note", "since it was started: throttled"),
    ],
)
def test_tells_of_the_power_of_a_raspberry_pi(tmp_path, bits, level, words):
    (power,) = of(check_power(boards.pi4(tmp_path, throttled=bits)), "power")
    assert (power.level, words in power.what) == (level, True)
    assert ("supply" in power.fix) == ("undervoltage" in words)


def test_tells_of_the_overcurrent_of_a_jetson(tmp_path):
    (power,) = of(check_power(boards.orin(tmp_path)), "power")
    assert (power.level, power.what) == ("note", "throttled 1 times since it was started")


@pytest.mark.parametrize(("temperature", "level"), [(52_000, "ok"), (84_500, "warning")])
def test_tells_of_heat(tmp_path, temperature, level):
    (heat,) = of(check_power(boards.pi4(tmp_path, temperature=temperature)), "heat")
    assert heat.level == level


def test_notes_a_governor_that_follows_the_load(tmp_path):
    (clock,) = of(check_power(boards.pi4(tmp_path / "4")), "clock")
    assert "ondemand" in clock.what
    assert not of(check_power(boards.pi5(tmp_path / "5")), "clock")


def test_tells_of_memory(tmp_path):
    (memory, disk) = check_space(boards.pi5(tmp_path))
    assert (memory.level, disk.check) == ("ok", "disk")
    little = {"proc/meminfo": "MemTotal: 999 kB\nMemAvailable: 100000 kB\n"}
    assert next(check_space(boards.write(tmp_path, little))).level == "warning"


def test_a_folder_that_is_gone_is_a_finding(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (disk,) = check_space(tmp_path)
    assert disk.level == "warning"


def test_a_machine_that_tells_nothing_has_no_wrong_findings(tmp_path):
    assert all(f.level == "ok" for f in check_board(tmp_path))
    assert not list(check_power(tmp_path))
