"""A graph in ONNX Runtime as it is written: no optimization, so that what is rounded stays so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calibration.graph import Graph, to_model
from edge.backends.no_telemetry import onnxruntime
from edge.types import AnyArray


class Session:
    """A graph ready to run."""

    def __init__(self, graph: Graph, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            to_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        self.outputs = graph.outputs

    def __call__(self, *values: AnyArray) -> tuple[AnyArray, ...]:
        """The outputs for these inputs, both in the graph's order."""
        feeds = dict(zip(self.inputs, values, strict=True))
        return tuple(self._session.run(list(self.outputs), feeds))

    def chained(self, values: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
        """Some outputs as the runtime's own values, of such values by name.

        Nothing is copied on the way into the next session.
        """
        feeds = {name: values[name] for name in self.inputs}
        results: list[Any] = self._session.run_with_ort_values(list(names), feeds)
        return results


def value(array: AnyArray) -> Any:
    """An array as the runtime's own value, for `Session.chained`; a copy."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)
