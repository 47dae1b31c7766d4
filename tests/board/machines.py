"""The CPUs that are emulated, and the boards that have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """A core as it is emulated, and its caches as they are simulated.

    Attributes:
        scheduling: Name of its pipeline for llvm-mca.
        precision: Of ncnn's float networks, as its benchmark chooses.
        caches: Arguments of blocks.c. Source: the technical reference manuals of Cortex-A72 and
            A76; BCM2711 has 1 MiB of L2 for four cores, taken as eight-way; BCM2712 512 KiB of L2
            a core and 2 MiB of L3 for four, and its kernel pages of 16 KiB.
    """

    scheduling: str
    precision: str
    caches: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board with published times.

    Attributes:
        cpu: Key into `CPUS`.
        hz: Of its clock.
        published: Key into published.json.
        costs: Keys into `estimate.COSTS`, six at most: what the fit gives weights.
    """

    cpu: str
    hz: float
    published: str
    costs: tuple[str, ...]


CPUS = {
    "cortex-a72": Cpu(
        "cortex-a72",
        "fp32",
        "l1=32768:2,l2=1048576:8,tlb=32:4,tlb2=1024:4,page=12",
    ),
    "cortex-a76": Cpu(
        "neoverse-n1",
        "fp16",
        "l1=65536:4,l2=524288:8,l3=2097152:16,tlb=48:4,tlb2=1280:5,page=14",
    ),
}
_SHARED_L2 = (
    "cycles",
    "cycles of INT8",
    "misses of L1",
    "misses of L2",
    "all misses of L2, by threads",
    "each inference, in millions",
)
_OWN_L2 = (
    "cycles",
    "misses of L1",
    "misses of L2",
    "misses of L2, by threads",
    "all misses of L3",
)
BOARDS = {
    "Raspberry Pi 4": Board("cortex-a72", 1.8e9, "Raspberry Pi 4", _SHARED_L2),
    "Raspberry Pi 5": Board("cortex-a76", 2.4e9, "Raspberry Pi 5", _OWN_L2),
}
# Estimated by the weights of the Raspberry Pi 5, whose core they have or nearly have.
ALIKE = {
    "Rock 5B": Board("cortex-a76", 2.4e9, "Rock 5B", _OWN_L2),
    "Orange Pi 5": Board("cortex-a76", 2.4e9, "Orange Pi 5", _OWN_L2),
    "Jetson AGX Orin": Board("cortex-a76", 2.2e9, "Jetson AGX Orin", _OWN_L2),
}
