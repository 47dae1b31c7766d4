"""What every runtime finds in one image, as JSON: here, or on an emulated CPU.

    python tests/arm/detections.py PRECISION=MODEL.edge...

Each precision is asked of each runtime that the package has a file for, and named with what was in
effect. One process for all: under emulation most of a run is in starting Python and NumPy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from edge import Detector, package
from edge.conveyor import Conveyor
from edge.types import Size

LEAST = 0.2  # of a score: sure ones have twins that may be a little less sure
HALF = ("ncnn", "mnn")  # the runtimes that compute in float16 where the CPU does


def main() -> None:
    """Print the detections of each model, runtime and precision."""
    image = Conveyor(1, Size(480, 640)).render(0)[0]
    results = {}
    for word in sys.argv[1:]:
        precision, _, name = word.partition("=")
        model = Path(name)
        for artifact in package.read(model).artifacts:
            backend = artifact.backend
            if precision == "fp16" and backend not in HALF:
                continue
            chosen = {"backend": backend, "precision": precision, "threads": 1}
            with Detector.load(model, **chosen, conf=LEAST) as detector:
                columns = detector(image)
                each = zip(columns.boxes, columns.scores, columns.class_ids, strict=True)
                results[f"{backend} {detector.backend.precision}"] = [
                    {"class_id": int(c), "confidence": float(s), "box": box.tolist()}
                    for box, s, c in each
                ]
    print(json.dumps(results))


if __name__ == "__main__":
    main()
