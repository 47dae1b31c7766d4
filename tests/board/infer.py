"""One inference between the marks of tests/arm/mark.c; what `counting.py` emulates.

    python infer.py MARK.SO ncnn PARAM WIDTH HEIGHT fp16|fp32 THREADS [BIN]
    python infer.py MARK.SO tflite|mnn|onnxruntime FILE THREADS fp16|fp32 SIDE

SIDE is of the square input, where the file leaves it open.
A network without a BIN computes with zeros for weights, as the published times do.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable


def ncnn(
    param: str, width: str, height: str, precision: str, threads: str, weights: str = ""
) -> Callable[[], object]:
    """An inference as ncnn's own benchmark makes it."""
    import ncnn

    network = ncnn.Net()
    network.opt.lightmode = True
    network.opt.num_threads = int(threads)
    half = precision == "fp16"
    network.opt.use_fp16_packed = half
    network.opt.use_fp16_storage = half
    network.opt.use_fp16_arithmetic = half
    network.load_param(param)
    network.load_model(weights or ncnn.DataReaderFromEmpty())
    image = ncnn.Mat(int(width), int(height), 3)
    image.fill(0.01)

    def run() -> object:
        extractor = network.create_extractor()
        extractor.input(network.input_names()[0], image)
        return [extractor.extract(name) for name in network.output_names()]

    run.network = network  # type: ignore[attr-defined]  # which must outlive its runs
    return run


def tflite(path: str, threads: str, precision: str, side: str) -> Callable[[], object]:
    """An inference of TensorFlow Lite with XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=int(threads))
    interpreter.allocate_tensors()
    return interpreter.invoke


def mnn(path: str, threads: str, precision: str, side: str) -> Callable[[], object]:
    """An inference of MNN."""
    import MNN

    interpreter = MNN.Interpreter(path)
    arithmetic = "low" if precision == "fp16" else "high"
    session = interpreter.createSession({"numThread": int(threads), "precision": arithmetic})
    for tensor in interpreter.getSessionInputAll(session).values():
        interpreter.resizeTensor(tensor, (1, 3, int(side), int(side)))
    interpreter.resizeSession(session)

    def run() -> None:
        if code := interpreter.runSession(session):
            raise RuntimeError(f"MNN failed, code {code}")  # else its failing would be counted

    return run


def onnxruntime(path: str, threads: str, precision: str, side: str) -> Callable[[], object]:
    """An inference of ONNX Runtime."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    kind = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
    shape = [n if isinstance(n, int) else int(side) for n in taken.shape]
    inputs = {taken.name: np.zeros(shape, kind[taken.type])}
    return lambda: session.run(None, inputs)


RUNTIMES = {"ncnn": ncnn, "tflite": tflite, "mnn": mnn, "onnxruntime": onnxruntime}

if __name__ == "__main__":
    marks = ctypes.CDLL(sys.argv[1])
    run = RUNTIMES[sys.argv[2]](*sys.argv[3:])
    run()
    marks.start()
    outputs = run()
    marks.stop()
