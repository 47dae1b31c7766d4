"""What is to be found in a batch, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from edge.types import Float32Array, Int32Array


class Targets(NamedTuple):
    """The objects of B images, filled up to M each, the greatest number in one.

    Attributes:
        boxes: (B, M, 4) float32 corners in pixels of the input.
        class_ids: (B, M) int64.
        real: (B, M) bool: whether it is an object and no filling.
    """

    boxes: Tensor
    class_ids: Tensor
    real: Tensor

    @classmethod
    def of(
        cls, boxes: Sequence[Float32Array], class_ids: Sequence[Int32Array], device: str = "cpu"
    ) -> Targets:
        """From an array of boxes and one of classes for each image."""
        batch, max_objects = len(boxes), max(map(len, class_ids), default=0)
        corners = np.zeros((batch, max_objects, 4), np.float32)
        labels = np.zeros((batch, max_objects), np.int64)
        real = np.zeros((batch, max_objects), np.bool_)
        for i, (own, ids) in enumerate(zip(boxes, class_ids, strict=True)):
            corners[i, : len(ids)], labels[i, : len(ids)], real[i, : len(ids)] = own, ids, True
        tensors = (torch.from_numpy(column).to(device) for column in (corners, labels, real))
        return cls(*tensors)
