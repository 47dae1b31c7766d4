"""Sources into a detector into sinks: threads, what to drop, and how it is counted.

    source threads ──> queues ──> detector thread ──> workers, a thread for each sink

A queue is the place where the frames of one source wait, an worker that where results wait for one
sink; both are of a fixed size. `run` holds them together.
"""

from edge.pipeline.address import open_feed
from edge.pipeline.engine import FrameDetector, run
from edge.pipeline.frame_queue import Feed, Policy
from edge.pipeline.summary import DROPS, Percentiles, Summary

__all__ = ["DROPS", "Feed", "FrameDetector", "Percentiles", "Policy", "Summary", "open_feed", "run"]
