from __future__ import annotations

import os
import time
from pathlib import Path

import boards
import pytest

from edge import board
from edge.board import Clock


def test_knows_a_raspberry_pi_4(tmp_path):
    result = board.identify(boards.pi4(tmp_path))
    assert result.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert (result.cpu, result.cores, result.machine) == ("4 x Cortex-A72", 4, "aarch64")
    assert result.features == {"asimd"}
    assert result.kernel == "6.12.47+rpt-rpi-v8"
    assert result.system == "Debian GNU/Linux 12"
    assert result.memory == 3885396 * 1024
    assert result.is_raspberry_pi
    assert not result.is_jetson


def test_knows_a_raspberry_pi_5_by_its_arithmetic(tmp_path):
    root = boards.pi5(tmp_path)
    assert board.identify(root).features == {"asimd", "asimdhp", "asimddp"}
    assert board.has_half_arithmetic(root)


def test_a_raspberry_pi_4_has_no_half_arithmetic(tmp_path):
    assert not board.has_half_arithmetic(boards.pi4(tmp_path))


def test_knows_a_jetson(tmp_path):
    result = board.identify(boards.orin(tmp_path))
    assert result.is_jetson
    assert not result.is_raspberry_pi
    assert result.cpu == "6 x Cortex-A78AE"


def test_names_both_kinds_of_core(tmp_path):
    text = boards.arm_cpuinfo(4, "0xd05", "asimd") + boards.arm_cpuinfo(2, "0xfff", "asimd")
    root = boards.write(tmp_path, {"proc/cpuinfo": text})
    assert board.identify(root).cpu == "4 x Cortex-A55 + 2 x implementer 0x41 part 0xfff"


def test_knows_a_pc(tmp_path):
    root = boards.write(
        tmp_path,
        {
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\ncpu MHz\t\t: 2400.5\n"
            "flags\t\t: fpu avx2 fma avx512_vnni nonsense\n",
            "sys/class/dmi/id/sys_vendor": "ACME\n",
            "sys/class/dmi/id/product_name": "Box 3000\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
            "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "4\n",
            "sys/class/hwmon/hwmon0/name": "k10temp\n",
            "sys/class/hwmon/hwmon0/temp1_input": "61500\n",
        },
    )
    result, state = board.identify(root), board.state(root)
    assert (result.model, result.cpu) == ("ACME Box 3000", "Some CPU @ 3 GHz")
    assert result.features == {"avx2", "fma", "avx512_vnni"}
    assert state.clocks == (Clock("all", "", 2400.5, None),)
    assert state.throttle_count == 7
    assert state.hottest == 61.5


def test_reads_clocks_and_heat(tmp_path):
    state = board.state(boards.orin(tmp_path))
    assert state.clocks == (
        Clock("policy0", "schedutil", 1510.4, 1510.4),
        Clock("policy4", "schedutil", 729.6, 1510.4),
    )
    assert dict(state.temperatures) == {"cpu-thermal": 50.625}
    assert state.available == 7800000 // 2 * 1024
    assert state.busy == 200 / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("bits", "now", "past"),
    [
        (0, (), ()),
        (0x1, ("undervoltage",), ()),
        (0x4, ("throttled",), ()),
        (0x50005, ("throttled", "undervoltage"), ("throttled", "undervoltage")),
        (0x20000, (), ("clock capped",)),
        (0x8, ("soft temperature limit",), ()),
    ],
)
def test_reads_what_the_firmware_of_a_raspberry_pi_says(tmp_path, bits, now, past):
    state = board.state(boards.pi4(tmp_path, throttled=bits))
    assert (state.limits, state.past_limits) == (now, past)


def test_reads_the_undervoltage_alarm_of_a_raspberry_pi(tmp_path):
    assert board.state(boards.pi5(tmp_path, undervoltage=True)).limits == ("undervoltage",)


def test_a_calm_raspberry_pi_5_has_no_limits(tmp_path):
    assert board.state(boards.pi5(tmp_path)).limits == ()


def test_asks_vcgencmd_where_the_kernel_does_not_say(tmp_path, monkeypatch):
    command = tmp_path / "bin" / "vcgencmd"
    boards.write(tmp_path, {"bin/vcgencmd": "#!/bin/sh\necho throttled=0x50000\n"})
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    root = boards.pi5(tmp_path / "root")
    monkeypatch.setattr(board, "ROOT", root)
    assert board.state(root).past_limits == ("throttled", "undervoltage")


def test_an_unusable_answer_of_vcgencmd_is_no_answer(tmp_path, monkeypatch):
    command = tmp_path / "bin" / "vcgencmd"
    boards.write(tmp_path, {"bin/vcgencmd": "#!/bin/sh\necho no permission\nexit 255\n"})
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    root = boards.pi5(tmp_path / "root")
    monkeypatch.setattr(board, "ROOT", root)
    assert board.state(root).past_limits == ()


def test_a_jetson_whose_kernel_lowers_the_clock_is_throttled(tmp_path):
    assert board.state(boards.orin(tmp_path / "a", cooled=True)).limits == ("throttled",)
    assert board.state(boards.orin(tmp_path / "b")).limits == ()


def test_counts_the_overcurrent_events_of_a_jetson(tmp_path):
    assert board.state(boards.orin(tmp_path, overcurrent=5)).throttle_count == 6


def test_a_machine_that_tells_nothing_is_no_error(tmp_path):
    result, state = board.identify(tmp_path), board.state(tmp_path)
    assert (result.model, result.cpu, result.memory, result.features) == ("", "", None, frozenset())
    assert result.cores >= 1
    assert (state.clocks, dict(state.temperatures), state.limits) == ((), {}, ())
    assert (state.busy, state.available, state.hottest, state.throttle_count) == (None,) * 4


def test_files_full_of_nonsense_are_no_error(tmp_path):
    noise = bytes(range(256)) * 4
    for path in list(boards.orin(tmp_path).rglob("*")):
        if path.is_file():
            path.write_bytes(noise)
    board.identify(tmp_path)
    assert board.state(tmp_path).limits == ()


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")
def test_work_on_this_machine_shows():
    before = board.state().busy
    assert before is not None
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    after = board.state().busy
    assert after is not None
    assert after - before >= 0.1


def test_says_something_of_this_machine():
    result = board.identify()
    assert result.kernel
    assert result.machine
    assert result.memory is None or result.memory > 1 << 20
