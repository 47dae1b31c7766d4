"""A scene that needs no camera: parts on a moving belt, and the truth about every frame."""

from edge.conveyor.render import FRAMES_PER_LINE, LABELS, SEEDS, SIDES, Conveyor
from edge.conveyor.truth import GroundTruth

__all__ = ["FRAMES_PER_LINE", "LABELS", "SEEDS", "SIDES", "Conveyor", "GroundTruth"]
