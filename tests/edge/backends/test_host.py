"""What runtimes print does not reach the results."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PRINTS = """
import ctypes, sys
from edge.backends import host
c = ctypes.CDLL(None)
print("before")
with host.silent(int(sys.argv[1])):
    c.puts(b"noise of a runtime")
    c.perror(b"noise of a runtime")
print("after")
"""


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_what_c_prints_inside_does_not_come_out_later(unbuffered):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | unbuffered
    for descriptor in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PRINTS, descriptor],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        text = {"1": done.stdout, "2": done.stderr}[descriptor]
        assert "noise" not in text
        assert "before\nafter\n" in done.stdout.replace("noise of a runtime\n", "")
