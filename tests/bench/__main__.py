"""python -m tests.bench: time the kernels against their peers, as Markdown and JSON.

Needs EDGE_SHARED or the shared data beside the checkout, and a C++ compiler. Peers that are not
installed (numba, lsnms, onnxruntime, torch) are left out.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy and OpenCV are imported
os.environ["OMP_WAIT_POLICY"] = "passive"

import cv2
import numpy as np

from edge import ops
from tests.bench.jobs import run
from tests.bench.measure import Comparison


def machine() -> dict[str, str]:
    """What the figures belong to."""
    cpu = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        cpu = next((value.strip() for key, _, value in lines if key.strip() == "model name"), cpu)
    return {
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "threads": "1",
        "load": f"{os.getloadavg()[0]:.1f}",  # above the threads: others were busy, too
        "target": ops.target(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def markdown(results: list[Comparison], about: dict[str, str]) -> str:
    """One row per job and peer."""
    lines = [", ".join(f"{key} {value}" for key, value in about.items()), ""]
    lines += [
        "| job | cache | edge, µs | peer | peer, µs | peer / edge |",
        "|---|---|---|---|---|---|",
    ]
    for item in results:
        for peer, ratio in item.ratios.items():
            lines.append(
                f"| {item.job} | {item.cache} | {item.micros['edge']:.1f} | {peer} "
                f"| {item.micros[peer]:.1f} | {ratio:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the jobs; print each as it ends; write both files."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help="jobs whose name contains this")
    parser.add_argument("--out", type=Path, help="folder for kernels.md and kernels.json")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    beside = Path(__file__).resolve().parents[3] / "shared"
    shared = Path(os.environ.get("EDGE_SHARED") or beside)
    result = []
    for item in run(shared, options.only):
        result.append(item)
        peers = "  ".join(f"{name} {ratio:.2f}x" for name, ratio in item.ratios.items())
        print(f"{item.job} ({item.cache}): {item.micros['edge']:.1f} µs;  {peers}", flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        about = machine()
        (options.out / "kernels.md").write_text(markdown(result, about))
        results = {"machine": about, "jobs": [asdict(item) for item in result]}
        (options.out / "kernels.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
