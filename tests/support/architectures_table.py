"""Which runtime takes which architecture, found out by running them.

    PYTHONPATH=tests/support python tests/support/architectures_table.py

writes the table into `calibration/docs/reference/architectures.md`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from architectures import ARCHITECTURES, SIZE, content
from emitted import canonical, distance, reference, run

from calibration.emit import EMITTERS, CannotEmitError, emitter

DOCUMENT = Path(__file__).parents[2] / "calibration/docs/reference/architectures.md"
NAMES = {"ncnn": "ncnn", "mnn": "MNN", "tflite": "TensorFlow Lite", "onnxruntime": "ONNX Runtime"}
# The largest difference to ONNX Runtime on the file as it came, as a part of the largest value.
# MNN has GELU as a polynomial.
FARTHEST = {"mnn": 1e-3}


def verdict(backend: str, name: str) -> str:
    """The table's cell: "yes", or which operators the runtime lacks.

    Raises:
        AssertionError: The runtime takes the network and computes something else.
    """
    image = np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)
    graph = canonical(content(name))
    try:
        files = emitter(backend)(graph)
    except CannotEmitError as error:
        operators = sorted({re.findall(r"\((\w+)\)$", node)[0] for node in error.reasons})
        return f"no: {', '.join(operators)}"
    (result,), (expected,) = run(backend, files, graph, image), reference(content(name), image)
    off = distance(result, expected)
    assert off < FARTHEST.get(backend, 1e-5), f"{name} in {backend} is off by {off:.1e}"
    return "yes"


def written() -> dict[tuple[str, str], str]:
    """Architecture and backend to the cell of the table as it is in the document."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    backends = [next(k for k, v in NAMES.items() if v == head) for head in rows[0][1:]]
    return {
        (row[0], backend): cell
        for row in rows[2:]
        for backend, cell in zip(backends, row[1:], strict=True)
    }


def table() -> str:
    """The table, as Markdown."""
    rows = (
        f"| {name} | {' | '.join(verdict(b, name) for b in EMITTERS)} |" for name in ARCHITECTURES
    )
    heads = [
        f"| architecture | {' | '.join(NAMES[b] for b in EMITTERS)} |",
        f"|---|{'---|' * len(EMITTERS)}",
    ]
    return "\n".join([*heads, *rows])


if __name__ == "__main__":
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(r"(?m)(^\|.*\n)+", lambda _: table() + "\n", text, count=1))
