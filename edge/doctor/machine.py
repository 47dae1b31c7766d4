"""The board: what it is, its power and heat, its memory and disk."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from edge import board
from edge.board import FEATURES, Board, State
from edge.doctor.finding import Finding

_HOT = 80.0  # °C: a Raspberry Pi lowers its clock from here
_LITTLE_MEMORY = 200 << 20  # bytes: a detector and a camera take about that
_LITTLE_DISK = 500 << 20
_DOTS = {"asimddp", "i8mm", "avx_vnni", "avx512_vnni", "amx_int8"}


def check_board(root: Path) -> Iterator[Finding]:
    """Model, processor and instruction sets."""
    identity = board.identify(root)
    size = "" if identity.memory is None else f", {identity.memory / 1e9:.1f} GB"
    name = identity.model or "unknown model"
    yield Finding("board", "ok", f"{name}; {identity.machine}{size}; Linux {identity.kernel}")
    yield from _cpu(identity)
    if struct.calcsize("P") < 8:
        yield Finding(
            "Python",
            "warning",
            "a 32-bit Python",
            "The runtimes have no packages for 32-bit systems.",
            "install the 64-bit Raspberry Pi OS",
        )


def check_power(root: Path) -> Iterator[Finding]:
    """Throttling, voltage, heat and who chooses the clock."""
    identity, state = board.identify(root), board.state(root)
    yield from _power(identity, state)
    if state.hottest is not None:
        hot = state.hottest >= _HOT
        yield Finding(
            "heat",
            "warning" if hot else "ok",
            f"{state.hottest:.0f} °C",
            "Near its limit the board lowers its clock, and the frame rate sags." if hot else "",
            "add a heat sink or a fan" if hot else "",
        )
    governors = sorted({clock.governor for clock in state.clocks} - {"", "performance"})
    if governors:
        yield Finding(
            "clock",
            "note",
            f"the governor is {', '.join(governors)}",
            "The clock follows the load, so the first frames after a pause are slow.",
            "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
        )


def check_space(root: Path) -> Iterator[Finding]:
    """Free memory, and room on the disk of the current folder."""
    free = board.state(root).available
    if free is not None:
        little = free < _LITTLE_MEMORY
        yield Finding(
            "memory",
            "warning" if little else "ok",
            f"{free / 1e6:.0f} MB available",
            "The system may end the detector when another program wants memory." if little else "",
            "close other programs, or boot without a desktop: sudo raspi-config" if little else "",
        )
    try:
        room = shutil.disk_usage(Path.cwd()).free
    except OSError as error:  # the folder was removed
        yield Finding("disk", "warning", f"the current folder is not there: {error}")
        return
    little = room < _LITTLE_DISK
    yield Finding(
        "disk",
        "warning" if little else "ok",
        f"{room / 1e9:.1f} GB free here",
        "Saved images and videos fill it; a full card can keep a board from starting."
        if little
        else "",
        "sudo apt-get clean; pip cache purge" if little else "",
    )


def _cpu(identity: Board) -> Iterator[Finding]:
    features = [f"{name} ({use})" for name, use in FEATURES.items() if name in identity.features]
    listed = ", ".join(features) or "no features known"
    what = f"{identity.cpu or 'unknown'}, {identity.cores} cores: {listed}"
    if identity.features and not identity.features & _DOTS:
        yield Finding(
            "CPU",
            "note",
            what,
            "Without INT8 dot products it depends on the runtime whether INT8 is faster.",
            "compare both: edge bench --model M --backend all",
        )
    else:
        yield Finding("CPU", "ok", what)


def _power(identity: Board, state: State) -> Iterator[Finding]:
    supply = "use the official power supply of this board, without a hub or a thin cable"
    if state.limits:
        low = "undervoltage" in state.limits
        yield Finding(
            "power",
            "warning",
            f"held back now: {', '.join(state.limits)}",
            "The clock is lowered: detection is slower than this board can be."
            + (" Low voltage also damages the data on its card." if low else ""),
            supply if low else "add a heat sink or a fan, then wait until it has cooled",
        )
    elif state.past_limits:
        low = "undervoltage" in state.past_limits
        yield Finding(
            "power",
            "warning" if low else "note",
            f"held back since it was started: {', '.join(state.past_limits)}",
            "It will happen again under load.",
            supply if low else "add a heat sink or a fan",
        )
    elif state.throttle_count:
        yield Finding(
            "power",
            "note",
            f"throttled {state.throttle_count} times since it was started",
            "Under load the clock is lowered.",
            "better cooling; on a Jetson a stronger supply",
        )
    elif identity.is_raspberry_pi or identity.is_jetson or state.throttle_count is not None:
        yield Finding("power", "ok", "not held back")
