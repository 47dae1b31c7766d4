"""What machine this is, and how it fares: model, CPU, clocks, heat, power, memory.

Everything is read from the Linux kernel's own files, below a root folder that a test can put in
place of "/". What a machine does not tell is empty or None, never an error.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path("/")

# CPU features that decide how fast or whether something runs here, as the kernel spells them.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "neon": "vectors, 32-bit ARM",
        "asimd": "vectors",
        "asimdhp": "float16 arithmetic",
        "asimddp": "INT8 dot products",
        "i8mm": "INT8 matrix products",
        "bf16": "bfloat16 products",
        "sve": "scalable vectors",
        "sse4_2": "vectors of 16 bytes",
        "avx2": "vectors of 32 bytes",
        "fma": "fused multiply-add",
        "f16c": "float16 conversion",
        "avx_vnni": "INT8 dot products, 32 bytes",
        "avx512f": "vectors of 64 bytes",
        "avx512_vnni": "INT8 dot products, 64 bytes",
        "amx_int8": "INT8 matrix products",
    }
)

# Implementer and part number to the name that people know. Source: MIDR_EL1 in the cores' manuals.
_CORES = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd04"): "Cortex-A35",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd09"): "Cortex-A73",
    ("0x41", "0xd0a"): "Cortex-A75",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd0d"): "Cortex-A77",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd41"): "Cortex-A78",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd46"): "Cortex-A510",
    ("0x41", "0xd47"): "Cortex-A710",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd80"): "Cortex-A520",
    ("0x41", "0xd81"): "Cortex-A720",
    ("0x4e", "0x003"): "Denver 2",
    ("0x4e", "0x004"): "Carmel",
}

# Bits of the Raspberry Pi firmware's answer to get_throttled; 16 higher: since boot.
_FIRMWARE_BITS = ("undervoltage", "clock capped", "throttled", "soft temperature limit")


@dataclass(frozen=True, slots=True)
class Board:
    """What does not change while a program runs.

    Attributes:
        model: Such as "Raspberry Pi 5 Model B Rev 1.0"; empty when unknown.
        cpu: Name of the processor or its cores.
        machine: Instruction set, as in "aarch64".
        cores: That are online.
        features: Those of `FEATURES` that the CPU has.
        kernel: Its release.
        system: Name of the distribution.
        memory: Bytes; None when unknown.
    """

    model: str
    cpu: str
    machine: str
    cores: int
    features: frozenset[str]
    kernel: str
    system: str
    memory: int | None

    @property
    def is_raspberry_pi(self) -> bool:
        """Whether the firmware's throttling flags and libcamera's tools may be expected."""
        return self.model.startswith("Raspberry Pi")

    @property
    def is_jetson(self) -> bool:
        """Whether it is a Jetson by NVIDIA."""
        return re.search(r"\b(Jetson|Orin|Xavier)\b", self.model) is not None


@dataclass(frozen=True, slots=True)
class Clock:
    """One group of cores that share a frequency.

    Attributes:
        name: Such as "policy0".
        governor: Who chooses the frequency; empty when unknown.
        mhz: At this moment.
        max: MHz that the governor may choose at most; None when unknown.
    """

    name: str
    governor: str
    mhz: float
    max: float | None


@dataclass(frozen=True, slots=True)
class State:
    """How the machine fares at one moment.

    Attributes:
        clocks: By group of cores.
        temperatures: Sensor to degrees Celsius.
        limits: What holds the machine back now: "throttled", "undervoltage" and so on.
        past_limits: What has held it back since it was started.
        throttle_count: Events counted since boot; None where the machine does not count them.
        busy: Seconds that its cores have worked since boot, all programs together; None when
            unknown.
        available: Bytes of memory that programs may still take; None when unknown.
    """

    clocks: tuple[Clock, ...]
    temperatures: Mapping[str, float]
    limits: tuple[str, ...]
    past_limits: tuple[str, ...]
    throttle_count: int | None
    busy: float | None
    available: int | None

    @property
    def hottest(self) -> float | None:
        """Degrees Celsius of the hottest sensor; None without any."""
        return max(self.temperatures.values(), default=None)


def identify(root: Path = ROOT) -> Board:
    """What machine this is."""
    cpuinfo = _text(root / "proc/cpuinfo")
    return Board(
        model=_model(root),
        cpu=_cpu(cpuinfo),
        machine=_text(root / "proc/sys/kernel/arch") or platform.machine(),
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or os.cpu_count() or 1,
        features=_features(cpuinfo),
        kernel=_text(root / "proc/sys/kernel/osrelease") or platform.release(),
        system=_field(_text(root / "etc/os-release"), r"PRETTY_NAME=\"?([^\"\n]*)"),
        memory=_memory(root, "MemTotal"),
    )


def state(root: Path = ROOT) -> State:
    """How the machine fares now."""
    now, past = _firmware_limits(root)
    if any(_number(p) == 1 for p in _hwmon(root, "rpi_volt", "in0_lcrit_alarm")):
        now |= {"undervoltage"}
    if _is_cooled_by_clock(root):
        now |= {"throttled"}
    return State(
        clocks=_clocks(root),
        temperatures=_temperatures(root),
        limits=tuple(sorted(now)),
        past_limits=tuple(sorted(past)),
        throttle_count=_throttle_count(root),
        busy=_busy(root),
        available=_memory(root, "MemAvailable"),
    )


def has_half_arithmetic(root: Path = ROOT) -> bool:
    """Whether the CPU computes in float16 vectors (Armv8.2: Raspberry Pi 5, Jetson Orin)."""
    return "asimdhp" in _features(_text(root / "proc/cpuinfo"))


def _model(root: Path) -> str:
    for tree in ("proc/device-tree", "sys/firmware/devicetree/base"):
        if model := _text(root / tree / "model"):
            return model
    dmi = root / "sys/class/dmi/id"
    names = (_text(dmi / name) for name in ("sys_vendor", "product_name"))
    return " ".join(name for name in names if name)


def _cpu(cpuinfo: str) -> str:
    if name := _field(cpuinfo, r"^model name\s*:\s*(.+)$"):
        return name
    implementers = re.findall(r"^CPU implementer\s*:\s*(\w+)", cpuinfo, re.MULTILINE)
    parts = re.findall(r"^CPU part\s*:\s*(\w+)", cpuinfo, re.MULTILINE)
    names = [
        _CORES.get(pair, f"implementer {pair[0]} part {pair[1]}")
        for pair in zip(implementers, parts, strict=False)
    ]
    return " + ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def _features(cpuinfo: str) -> frozenset[str]:
    listed = _field(cpuinfo, r"^(?:Features|flags)\s*:\s*(.+)$")
    return frozenset(listed.split()) & FEATURES.keys()


def _clocks(root: Path) -> tuple[Clock, ...]:
    clocks = []
    for policy in _sorted(root / "sys/devices/system/cpu/cpufreq", "policy*"):
        khz = _number(policy / "scaling_cur_freq")
        if khz is not None:
            limit = _number(policy / "scaling_max_freq")
            governor = _text(policy / "scaling_governor")
            clocks.append(
                Clock(policy.name, governor, khz / 1e3, None if limit is None else limit / 1e3)
            )
    if not clocks:  # a virtual machine has no say in its clock, but x86 kernels tell it
        cpuinfo = _text(root / "proc/cpuinfo")
        mhz = [float(v) for v in re.findall(r"^cpu MHz\s*:\s*([\d.]+)", cpuinfo, re.MULTILINE)]
        clocks = [Clock("all", "", sum(mhz) / len(mhz), None)] if mhz else []
    return tuple(clocks)


def _temperatures(root: Path) -> dict[str, float]:
    temperatures = {}
    for zone in _sorted(root / "sys/class/thermal", "thermal_zone*"):
        value = _number(zone / "temp")  # a zone of a part that is off has no reading
        if value is not None and value > 0:
            name = _text(zone / "type") or zone.name
            temperatures[f"{name} {zone.name}" if name in temperatures else name] = value / 1e3
    for chip in ("coretemp", "k10temp"):
        for path in _hwmon(root, chip, "temp1_input"):
            value = _number(path)
            if value is not None:
                temperatures.setdefault(chip, value / 1e3)
    return temperatures


def _firmware_limits(root: Path) -> tuple[set[str], set[str]]:
    """Raspberry Pi: what its firmware says limits it now, and what has since boot."""
    bits = 0
    firmware = [*_sorted(root / "sys/devices/platform", "*firmware/get_throttled"),
                *_sorted(root / "sys/devices/platform", "*/*firmware/get_throttled")]  # fmt: skip
    if firmware:
        text = _text(firmware[0])
    elif root == ROOT and (command := shutil.which("vcgencmd")):
        text = _output(command, "get_throttled").rpartition("=")[2]
    else:
        text = ""
    if re.fullmatch(r"(0x)?[0-9a-fA-F]+", text):
        bits = int(text, 16)
    names = list(enumerate(_FIRMWARE_BITS))
    now = {name for bit, name in names if bits >> bit & 1}
    return now, {name for bit, name in names if bits >> (bit + 16) & 1}


def _is_cooled_by_clock(root: Path) -> bool:
    """Whether the kernel itself holds a CPU's clock down because of heat."""
    return any(
        re.search("cpufreq|processor", _text(device / "type"), re.IGNORECASE)
        and (_number(device / "cur_state") or 0) > 0
        for device in _sorted(root / "sys/class/thermal", "cooling_device*")
    )


def _throttle_count(root: Path) -> int | None:
    """Events counted by x86 cores, and by the overcurrent guard of a Jetson."""
    cpus = root / "sys/devices/system/cpu"
    counters = [
        *_sorted(cpus, "cpu*/thermal_throttle/core_throttle_count"),
        *_sorted(cpus, "cpu*/thermal_throttle/package_throttle_count"),
        *_hwmon(root, "soctherm_oc", "oc*_event_cnt"),
    ]
    values = [value for value in map(_number, counters) if value is not None]
    return int(sum(values)) if values else None


def _busy(root: Path) -> float | None:
    match = re.match(r"cpu +([\d ]+)", _text(root / "proc/stat"))
    if match is None:
        return None
    # user nice system idle iowait irq softirq steal; guests are part of user
    ticks = [int(v) for v in match[1].split()][:8]
    return (sum(ticks) - sum(ticks[3:5])) / os.sysconf("SC_CLK_TCK")


def _memory(root: Path, name: str) -> int | None:
    kib = _field(_text(root / "proc/meminfo"), rf"^{name}:\s*(\d+) kB")
    return int(kib) * 1024 if kib else None


def _hwmon(root: Path, chip: str, pattern: str) -> list[Path]:
    """The files of sensors of a chip."""
    return [
        path
        for folder in _sorted(root / "sys/class/hwmon", "hwmon*")
        if _text(folder / "name") == chip
        for path in _sorted(folder, pattern)
    ]


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern), key=lambda p: [len(str(p)), str(p)])


def _text(path: Path) -> str:
    """The content without padding; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _field(text: str, pattern: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else ""


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
