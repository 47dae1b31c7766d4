"""How good detections are: against labels (COCO's numbers) or against other detections."""

from edge.evaluate.agreement import Agreement, agreement
from edge.evaluate.coco import METRICS, Evaluation, evaluate

__all__ = ["METRICS", "Agreement", "Evaluation", "agreement", "evaluate"]
