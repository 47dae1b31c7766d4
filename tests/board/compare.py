"""A board's measured times beside the estimated ones."""

from __future__ import annotations

from edge.bench.report import Report
from edge.errors import DataError
from tests.board import estimate, page
from tests.board.machines import BOARDS


def table(measured: Report, board: str, model: str) -> str:
    """A line a run: measured and estimated milliseconds of the inference, and whether they agree.

    Raises:
        DataError: The report is of another board, or has no run that there is an estimate of.
    """
    if not measured.board.model.startswith(board):
        machine = measured.board.model or "an unknown machine"
        raise DataError(f"the report is of {machine}, the estimate of a {board}: see --board")
    known = page.ours(BOARDS[board], estimate.samples(BOARDS[board]))
    lines = []
    for run in measured.runs:
        name = f"{model} {run.input.width} {run.backend} {run.precision}"
        estimated = known.get(name, {}).get(str(run.threads))
        if estimated is None or not run.repetitions or run.device != "cpu":
            continue
        ms, (best, low, high) = run.value("inference_p50"), estimated
        verdict = "within" if low <= ms <= high else "outside"
        doubt = f"; not to be believed: {', '.join(run.invalid)}" if run.invalid else ""
        lines.append(
            f"{run.key}: measured {ms:.1f} ms, estimated {best:.1f} ({low:.1f} to {high:.1f}): "
            f"{verdict}{doubt}"
        )
    if not lines:
        runs = ", ".join(run.key for run in measured.runs) or "none"
        raise DataError(f"no run of this report is estimated for {model}; its runs: {runs}")
    return "\n".join(lines)
