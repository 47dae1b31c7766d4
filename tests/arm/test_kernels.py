"""Every SIMD target of every CPU gives the same bits."""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from edge import ops

HERE = Path(__file__).parent
COMMITTED = json.loads((HERE / "kernels.json").read_text())

# What breaks only on ARM: a case, the code of a NEON instruction that its kernel uses with the bits
# that are no register, and the bits to turn over. Source: Arm ARM DDI 0487, C7.2.
BROKEN = {
    "letterbox BGR 500x375": (0xFFE0FC00, 0x4E006000, 0x2000),  # tbl: the fourth register unread
    "nms 2000": (0xFFFFFC00, 0x6EB0A800, 0x10000),  # umaxv: uminv
}


def on_this_machine(*args: str) -> dict[str, str]:
    command = [sys.executable, HERE / "kernels.py", *args]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_this_machine_gives_the_committed_bits_on_every_target():
    assert on_this_machine() == COMMITTED


def test_one_wrong_bit_is_noticed():
    result = on_this_machine("--flip", "distances")
    assert {name for name in COMMITTED if result[name] != COMMITTED[name]} == {"distances"}


def test_an_x86_cpu_without_avx_gives_the_committed_bits(arm_folder):
    # Nehalem is x86-64-v2; an instruction that it lacks would end the program.
    command = ["qemu-x86_64-static", "-cpu", "Nehalem", sys.executable, HERE / "kernels.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == COMMITTED


def test_arm_gives_the_committed_bits(arm):
    assert json.loads(arm.python(HERE / "kernels.py")) == COMMITTED


def broken(extension: Path, case: str) -> bytes:
    """The extension with each of these instructions spoilt."""
    mask, code, flip = BROKEN[case]
    command = ["aarch64-linux-gnu-objdump", "-h", extension]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (row,) = (words for words in map(str.split, listing.splitlines()) if ".text" in words)
    size, start = int(row[2], 16), int(row[5], 16)
    content = bytearray(extension.read_bytes())
    words = struct.iter_unpack("<I", content[start : start + size])
    results = [start + 4 * i for i, (word,) in enumerate(words) if word & mask == code]
    assert results
    for at in results:
        struct.pack_into("<I", content, at, struct.unpack_from("<I", content, at)[0] ^ flip)
    return bytes(content)


@pytest.mark.parametrize("case", BROKEN)
def test_a_kernel_that_is_broken_only_on_arm_is_noticed(pi5, case, tmp_path):
    package = pi5.folder / f"numpy{pi5.numpy}" / "edge"
    spoilt = tmp_path / "edge"
    spoilt.mkdir()
    for file in package.iterdir():
        (spoilt / file.name).symlink_to(file)
    (extension,) = spoilt.glob("_native*.so")
    content = broken(extension, case)
    extension.unlink()
    extension.write_bytes(content)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runpy; "
    code += f"runpy.run_path({str(HERE / 'kernels.py')!r}, run_name='__main__')"
    for file, same in ((extension, False), (package / extension.name, True)):
        if same:
            extension.write_bytes(file.read_bytes())
        result = json.loads(pi5.python("-c", code, "--case", case))
        assert (result == {case: COMMITTED[case]}) == same


def test_arm_runs_its_simd_target(arm):
    result = arm.python("-c", "from edge import ops; print(ops.target())")
    assert result.strip() == "neon"


def test_arm_raises_what_the_kernels_throw(arm):
    code = """
import numpy as np
from edge import ops
try:
    ops.nms(np.zeros((3, 5), np.float32), np.zeros(3, np.float32), np.zeros(3, np.int32))
except ValueError as error:
    print("refused:", error)
"""
    assert arm.python("-c", code).startswith("refused: ")


def test_this_machine_has_its_simd_target():
    plain = {"x86_64": "baseline", "aarch64": "neon"}[platform.machine()]
    assert plain in ops.targets()
