"""Image in, detections out: letterbox, infer, decode, suppress."""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Literal, TypeAlias, get_args

import numpy as np

from edge import models, ops, resizing, trial
from edge.backends import DEVICES, open_backend
from edge.backends.base import Backend, BackendOptions, Device, Precision, TensorSpec
from edge.errors import BackendError, ModelError
from edge.models.base import ModelSpec, Scoring
from edge.overrides import Overrides
from edge.package import Package
from edge.preprocessing import Preprocessor
from edge.recognize import open_model
from edge.types import (
    Candidates,
    Detections,
    Frame,
    Int32Array,
    Latency,
    Letterbox,
    Mask,
    Result,
    Size,
    Tensor,
    UInt8Array,
)

Nms: TypeAlias = Literal["greedy", "soft", "merge"]


class Detector:
    """A model ready to run on images.

    Threads may share one: they take turns. To compute at the same time, load one for each. A
    process that was forked loads its own.

    Example:
        The first frame of the test scene, by the bundled detector:

        >>> from edge import Detector, bundled
        >>> from edge.io.sources import open_source
        >>> frame = next(iter(open_source("test:conveyor")))
        >>> with Detector.load(bundled.MODEL, threads=1, conf=0.92) as detector:
        ...     found = detector(frame.planes[0])
        ...     print([detector.spec.labels[class_id] for class_id in found.class_ids])
        ['gear', 'gear', 'washer']
    """

    def __init__(
        self,
        spec: ModelSpec,
        backend: Backend,
        *,
        conf: float = 0.25,
        iou: float = 0.45,
        max_det: int = 300,
        classes: Collection[str | int] | None = None,
        multi_label: bool = False,
        nms: Nms = "greedy",
        agnostic_nms: bool = False,
    ) -> None:
        """Join a model's description and a runtime that has loaded it.

        Args:
            spec: What the outputs mean.
            backend: Loaded with `spec.output_names`; closed with the detector.
            conf: Only scores above this are found.
            iou: What happens to a box that overlaps a better one of its class by more is said by
                `nms`.
            max_det: At most this many are found in an image.
            classes: Only these, by name or id; None for all.
            multi_label: A box may be found once for each class above the threshold, as
                evaluation wants, instead of once for its best.
            nms: "greedy" drops such a box. "soft" lowers its score, times 1 - IoU, and drops it
                where that is no longer above the threshold. "merge" gives the mean of both,
                weighted by score. Models that suppress by themselves are left alone.
            agnostic_nms: Boxes of different classes count as overlapping too.

        Raises:
            ValueError: An option is out of range.
            TypeError: `max_det` is not a whole number.
            UnsupportedModelError: The family or its form is unknown.
        """
        for name, value in (("conf", conf), ("iou", iou)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {value}")
        if not isinstance(max_det, int | np.integer):
            raise TypeError(f"max_det must be a whole number, got {max_det!r}")
        if max_det < 1:
            raise ValueError(f"max_det must be at least 1, got {max_det}")
        if nms not in get_args(Nms):
            raise ValueError(f"nms must be one of {', '.join(get_args(Nms))}, got {nms!r}")
        self.spec = spec
        self.backend = backend
        self._layout = models.layout(spec.family, spec.form)
        self._scoring = Scoring(conf, multi_label)
        self._nms = nms
        self._agnostic_nms = agnostic_nms
        self._iou = iou
        self._max_det = max_det
        self._class_ids = None if classes is None else _class_ids(classes, spec.labels)
        self._preprocessor = Preprocessor(spec, backend.input)
        self._turn = threading.Lock()  # there is one input buffer
        self._process: int | None = os.getpid()  # None once closed

    @classmethod
    def load(
        cls,
        model: str | Path | Package,
        *,
        backend: str | None = None,
        precision: Precision | None = None,
        threads: int = 0,
        device: Device = "cpu",
        reading: Overrides | None = None,
        imgsz: int | tuple[int, int] | Size | str | None = None,
        conf: float = 0.25,
        iou: float = 0.45,
        max_det: int = 300,
        classes: Collection[str | int] | None = None,
        multi_label: bool = False,
        nms: Nms = "greedy",
        agnostic_nms: bool = False,
    ) -> Detector:
        """Load a model package, or a model file that is recognized by itself.

        Args:
            model: Path of a `.edge` package or of a model file, or a package in memory.
            backend: Key into `edge.backends.BACKENDS`; None takes the package's first artifact.
            precision: None takes the package's first artifact in the best arithmetic that the
                CPU has.
            threads: For one inference; 0 takes one per core.
            device: What computes. One other than the CPU is compared with it on noise before it
                is used; `backend` then defaults to the one that offers it.
            reading: What is said of a model file instead of recognized: family, labels, anchors,
                preprocessing. Packages know it.
            imgsz: Of the network input: a side, (height, width), a Size, or text such as
                "320x416"; None takes the model's own.
            conf: As in the constructor, like the rest.
            iou: See the constructor.
            max_det: See the constructor.
            classes: See the constructor.
            multi_label: See the constructor.
            nms: See the constructor.
            agnostic_nms: See the constructor.

        Raises:
            ModelError: The files are not a usable model.
            BackendError: The runtime is missing or failed.
            ValueError: An option is out of range.
            TypeError: An option is of another type.
        """
        options = BackendOptions(threads, precision, device)
        package = _opened(model, reading)
        artifact = package.artifact(backend or DEVICES.get(device), precision)
        spec = package.spec if imgsz is None else package.spec.resized(_size(imgsz))
        trial.ensure(artifact.backend, artifact.files)
        shape = spec.shape(artifact.layout)
        with resizing.at(spec.input, package, artifact):
            opened = open_backend(
                artifact.backend,
                artifact.files,
                TensorSpec(spec.input_name, shape, layout=artifact.layout),
                spec.output_names,
                options,
            )
        try:
            return cls(
                spec,
                opened,
                conf=conf,
                iou=iou,
                max_det=max_det,
                classes=classes,
                multi_label=multi_label,
                nms=nms,
                agnostic_nms=agnostic_nms,
            )
        except BaseException:
            opened.close()
            raise

    def __call__(self, image: UInt8Array) -> Detections:
        """What is in an image.

        Args:
            image: (H, W, 3) uint8 BGR as OpenCV gives it, or (H, W) gray; any row stride.

        Raises:
            TypeError: The image is not uint8, or its pixels do not lie side by side.
            ValueError: It has another shape.
            BackendError: The runtime failed, the detector is closed, or was loaded before a fork.
        """
        return self.run(Frame.of(image)).detections

    def run(self, frame: Frame) -> Result:
        """What is in a frame, and how long each stage took. Raises as `__call__`."""
        # Before the turn is waited for: a fork may have copied it taken, by a thread it left out.
        if self._process not in (None, os.getpid()):
            raise BackendError(
                "the detector was loaded before this process was forked, and runtimes do not "
                "outlive that; load it in the process that uses it"
            )
        with self._turn:
            if self._process is None:
                raise BackendError("the detector is closed")
            start = perf_counter()
            geometry = self._preprocessor(frame, self.backend.input_view())
            ready = perf_counter()
            outputs = self.backend.run()
            inferred = perf_counter()
            detections = self._detections(outputs, geometry)
            done = perf_counter()
        return Result(frame, detections, Latency(ready - start, inferred - ready, done - inferred))

    def close(self) -> None:
        """Free the runtime's memory, when nobody computes any more. Safe to call twice."""
        if self._process not in (None, os.getpid()):
            return  # it is the parent's
        with self._turn:
            self._process = None
            self.backend.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _detections(self, outputs: Sequence[Tensor], geometry: Letterbox) -> Detections:
        candidates = self._layout.decode(outputs, self.spec, self._scoring)
        if self._class_ids is not None:
            candidates = _take(candidates, np.isin(candidates.class_ids, self._class_ids))
        candidates = self._suppressed(candidates)
        boxes = geometry.to_image(candidates.boxes)
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return Detections(boxes[inside], candidates.scores[inside], candidates.class_ids[inside])

    def _suppressed(self, candidates: Candidates) -> Candidates:
        """The best, best first, after what `nms` does to those that overlap."""
        if not self._layout.suppress:
            best_first = np.argsort(-candidates.scores, kind="stable")
            return _take(candidates, best_first[: self._max_det].astype(np.int32))
        columns = (candidates.boxes, candidates.scores, candidates.class_ids)
        iou, limit, agnostic = self._iou, self._max_det, self._agnostic_nms
        if self._nms == "merge":
            return ops.merge(
                *columns, iou_threshold=iou, max_detections=limit, class_agnostic=agnostic
            )
        if self._nms == "soft":
            kept, scores = ops.soft_nms(
                *columns,
                decay="linear",  # the one that a threshold of overlap says something of
                iou_threshold=iou,
                score_threshold=self._scoring.threshold,
                max_detections=limit,
                class_agnostic=agnostic,
            )
            return replace(_take(candidates, kept), scores=scores)
        kept = ops.nms(*columns, iou_threshold=iou, max_detections=limit, class_agnostic=agnostic)
        return _take(candidates, kept)


def _opened(model: str | Path | Package, reading: Overrides | None) -> Package:
    if not isinstance(model, Package):
        return open_model([Path(model)], reading).package
    if reading is not None and reading.reads:
        raise ModelError(f"{model.name}: a package knows how it is read")
    return model


def _take(candidates: Candidates, rows: Int32Array | Mask) -> Candidates:
    return Candidates(candidates.boxes[rows], candidates.scores[rows], candidates.class_ids[rows])


def _class_ids(classes: Collection[str | int], labels: Sequence[str]) -> Int32Array:
    ids = []
    for asked in classes:
        name = str(asked)
        if name in labels:
            ids.append(labels.index(name))
        elif name.isdecimal() and int(name) < len(labels):
            ids.append(int(name))
        else:
            near = difflib.get_close_matches(name, labels, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"the model has no class {asked!r}{hint}")
    return np.array(sorted(set(ids)), np.int32)


def _size(imgsz: object) -> Size:
    match imgsz:
        case Size():
            return imgsz
        case str():
            return Size.parse(imgsz)
        case bool():
            pass
        case int() | np.integer():
            return Size(int(imgsz), int(imgsz))
        case (int() | np.integer() as height, int() | np.integer() as width):
            return Size(int(height), int(width))
    raise TypeError(f"imgsz must be N, (height, width), a Size or text, got {imgsz!r}")
