"""The x86 extension holds no instruction newer than x86-64-v2 outside the kernels for AVX2."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import surroundings

from tests.native.instruction_set import instructions, misplaced, newer

BUILT = Path(__file__).parents[2] / "build"

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64"
    or not shutil.which("objdump", path=surroundings.MACHINE["PATH"]),
    reason="needs x86-64 binutils",
)


def test_newer_instructions_come_from_the_avx2_kernels_alone():
    folders = sorted(BUILT.glob("cp*-linux_x86_64/native"), key=lambda p: p.stat().st_mtime)
    if not folders:
        pytest.skip(f"needs a build in {BUILT}: pip install -e .")
    (extension,) = folders[-1].glob("_native*.so")
    archive = folders[-1] / "libedge_native.a"
    objects = instructions(archive)
    assert newer(objects["avx2.cpp.o"])
    assert {"baseline.cpp.o", "letterbox.cpp.o"} <= objects.keys()
    assert not misplaced(extension, archive)


@pytest.mark.parametrize(
    ("code", "is_newer"),
    [
        ("vaddps %ymm0,%ymm1,%ymm2", True),
        ("andn %rax,%rbx,%rcx", True),
        ("pshufb %xmm0,%xmm1", False),
        ("popcnt %rax,%rbx", False),
    ],
)
def test_a_newer_instruction_is_noticed(tmp_path, code, is_newer):
    source = tmp_path / "one.s"
    source.write_text(f"f: {code}\nret\n")
    made = tmp_path / "one.o"
    subprocess.run(["as", "-o", made, source], check=True)
    (codes,) = instructions(made).values()
    assert newer(codes) == (Counter({code: 1}) if is_newer else Counter())
