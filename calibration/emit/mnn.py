"""A .mnn file from a graph, by MNN's own converter.

The converter runs in a process of its own: it prints, it says that it succeeded when it did not,
and an internal error ends the process. Its command-line scripts are not used, nor `MNN.tools`:
those report to a server.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from calibration.emit.base import CannotEmitError, check_plan, check_results
from calibration.emit.mnn_int8 import layer_name, table, with_rounded_weights
from calibration.emit.open_size import open_size, takes_any_size
from calibration.graph import Change, Graph, Node, rewrite, to_model
from calibration.quant.plan.plan import Plan
from calibration.runtimes.mnn import RUNTIME
from edge.errors import BackendError, BackendNotInstalledError

__all__ = ["emit", "layer_name"]

_RUN = "import sys, _tools; _tools.mnnconvert(sys.argv[1:])"
_LOAD = """
import pathlib, sys
from edge.backends import describe
describe("mnn", {"mnn": pathlib.Path(sys.argv[1]).read_bytes()})
"""
_SECONDS = 600  # a network of the largest kind takes a few


def emit(graph: Graph, *, half: bool = False, plan: Plan | None = None) -> dict[str, bytes]:
    """The .mnn. See `calibration.emit.base.Emit`.

    Raises:
        BackendError: The converter failed; the message has its last lines.
    """
    if plan is not None:
        check_plan(plan, graph, RUNTIME.name)
        check_results(plan, graph, RUNTIME.name)
    with TemporaryDirectory(prefix="edge-mnn-") as folder:
        source, target = Path(folder, "model.onnx"), Path(folder, "model.mnn")
        scales = Path(folder, "scales.json")
        written = graph
        if plan is not None:
            written = with_rounded_weights(graph, plan)
            scales.write_text(table(graph, plan))
        model = to_model(rewrite(written, _mish_in_pieces))
        # Of an INT8 file of open size it cannot be seen what it computes in INT8.
        if plan is None and takes_any_size(graph):
            open_size(model)
        source.write_bytes(model.SerializeToString())
        command = [
            *(sys.executable, "-c", _RUN, "MNNConvert", "-f", "ONNX"),
            *("--modelFile", source.name, "--MNNModel", target.name, "--bizCode", "edge"),
            *(["--fp16"] if half else []),
            *(["--compressionParamsFile", scales.name] if plan is not None else []),
        ]
        log = _python(folder, command)[1]
        if "No module named '_tools'" in log:
            raise BackendNotInstalledError(f"{RUNTIME.name} needs the package MNN", RUNTIME.name)
        if not target.is_file():
            raise _refusal(graph, log)
        # What it wrote may crash who loads it, so another process tries first.
        code, complaint = _python(folder, [sys.executable, "-c", _LOAD, target.name])
        if code != 0:
            raise BackendError(f"MNN does not load what its converter wrote: {complaint[-500:]}")
        return {"mnn": target.read_bytes()}


def _python(folder: str, command: Sequence[str]) -> tuple[int, str]:
    """The exit code of a process and all that it said."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"MNN's converter did not end in {_SECONDS} s") from error
    return done.returncode, done.stdout + done.stderr


def _mish_in_pieces(_: Graph, node: Node) -> Change | None:
    """MNN knows the parts of Mish alone."""
    if node.op != "Mish":
        return None
    soft, gate = f"{node.output}/soft", f"{node.output}/gate"
    new = (
        Node("Softplus", f"{node.name}/soft", node.inputs, (soft,)),
        Node("Tanh", f"{node.name}/gate", (soft,), (gate,)),
        Node("Mul", node.name, (node.inputs[0], gate), node.outputs),
    )
    return Change((node,), new)


def _refusal(graph: Graph, text: str) -> Exception:
    """What the converter did not take, as far as it says so."""
    named = " ".join(re.findall(r"Not Support: (.*)", text))
    unknown = set(re.findall(r"ONNX::(\w+)", named))
    refused = {
        str(node): "MNN's converter does not know this operator"
        for node in graph.nodes
        if node.op in unknown
    }
    if refused:
        return CannotEmitError(RUNTIME.name, refused)
    return BackendError(f"MNN's converter failed: {text.strip()[-500:]}")
