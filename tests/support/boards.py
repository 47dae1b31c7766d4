"""Boards as folders of the files that their kernels show, for `edge.board` and what uses it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_A72 = "fp asimd evtstrm crc32 cpuid"
_A76 = "fp asimd evtstrm aes pmull sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc asimddp"
_A78AE = _A76 + " uscat ilrcpc flagm paca pacg"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Add files below a root; returns the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def completed(board: Path, sysroot: Path) -> Path:
    """The board with the rest of a system: what an emulated program sees as its machine's files."""
    for part in sysroot.iterdir():
        if not (board / part.name).exists():
            (board / part.name).symlink_to(part)
    return board


def arm_cpuinfo(cores: int, part: str, features: str) -> str:
    block = (
        "processor\t: {}\nBogoMIPS\t: 108.00\nFeatures\t: {}\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {}\nCPU revision\t: 3\n\n"
    )
    return "".join(block.format(core, features, part) for core in range(cores))


def _common(cores: int, part: str, features: str, memory_kib: int, kernel: str) -> dict[str, str]:
    return {
        "proc/cpuinfo": arm_cpuinfo(cores, part, features),
        "proc/sys/kernel/arch": "aarch64\n",
        "proc/sys/kernel/osrelease": f"{kernel}\n",
        "proc/meminfo": f"MemTotal:       {memory_kib} kB\nMemFree:  1 kB\n"
        f"MemAvailable:   {memory_kib // 2} kB\n",
        "proc/stat": "cpu  100 0 100 5000 50 0 0 0 0 0\ncpu0 50 0 50 2500 25 0 0 0 0 0\n",
    }


def _policy(number: int, governor: str, khz: int, limit: int) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpufreq/policy{number}"
    return {
        f"{folder}/scaling_governor": f"{governor}\n",
        f"{folder}/scaling_cur_freq": f"{khz}\n",
        f"{folder}/scaling_max_freq": f"{limit}\n",
    }


def pi4(root: Path, *, throttled: int = 0, temperature: int = 52100) -> Path:
    """A Raspberry Pi 4; `throttled` as the firmware says it, `temperature` in millidegrees."""
    return write(
        root,
        {
            **_common(4, "0xd08", _A72, 3885396, "6.12.47+rpt-rpi-v8"),
            **_policy(0, "ondemand", 1500000, 1800000),
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": f"{temperature}\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": f"{throttled:x}\n",
        },
    )


def pi5(root: Path, *, undervoltage: bool = False) -> Path:
    """A Raspberry Pi 5."""
    return write(
        root,
        {
            **_common(4, "0xd0b", _A76, 8257552, "6.12.47+rpt-rpi-2712"),
            **_policy(0, "performance", 2400000, 2400000),
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48300\n",
            "sys/class/hwmon/hwmon2/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon2/in0_lcrit_alarm": f"{int(undervoltage)}\n",
        },
    )


def orin(root: Path, *, cooled: bool = False, overcurrent: int = 0) -> Path:
    """A Jetson Orin Nano; `cooled`: the kernel holds the clock down."""
    return write(
        root,
        {
            **_common(6, "0xd42", _A78AE, 7800000, "5.15.148-tegra"),
            **_policy(0, "schedutil", 1510400, 1510400),
            **_policy(4, "schedutil", 729600, 1510400),
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "50625\n",
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "\n",  # the part is off
            "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
            "sys/class/thermal/cooling_device0/cur_state": "2\n",
            "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0\n",
            "sys/class/thermal/cooling_device1/cur_state": f"{int(cooled)}\n",
            "sys/class/hwmon/hwmon1/name": "soctherm_oc\n",
            "sys/class/hwmon/hwmon1/oc1_event_cnt": f"{overcurrent}\n",
            "sys/class/hwmon/hwmon1/oc3_event_cnt": "1\n",
        },
    )
