"""The CPUs that are emulated, and the boards that have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """A core as it is emulated, and its caches as they are simulated.

    Attributes:
        model: Name for qemu.
        scheduling: Name of its pipeline for llvm-mca.
        precision: Of ncnn's float networks, as its benchmark chooses.
        caches: Arguments of blocks.c. Source: the technical reference manuals of Cortex-A72 and
            A76; BCM2711 has 1 MiB of L2 for four cores; BCM2712 512 KiB of L2 a core and 2 MiB
            of L3 for four, and its kernel pages of 16 KiB.
    """

    model: str
    scheduling: str
    precision: str
    caches: str


CPUS = {
    "cortex-a72": Cpu(
        "cortex-a72",
        "cortex-a72",
        "fp32",
        "l1=32768:2,l2=1048576:8,tlb=32:4,tlb2=1024:4,page=12",
    ),
    "cortex-a76": Cpu(
        "cortex-a76",
        "neoverse-n1",
        "fp16",
        "l1=65536:4,l2=524288:8,l3=2097152:16,tlb=48:4,tlb2=1280:5,page=14",
    ),
}
