"""Sources into a detector into sinks: threads, what to drop, and how it is counted.

    source threads ──> rings ──> detector thread ──> outlets, a thread for each sink

A ring is the place where the frames of one source wait, an outlet that where results wait for one
sink; both are of a fixed size. `run` holds them together.
"""

from edge.pipeline.address import open_feed
from edge.pipeline.engine import Runs, run
from edge.pipeline.ring import Feed, Policy
from edge.pipeline.summary import DROPS, Percentiles, Summary

__all__ = ["DROPS", "Feed", "Percentiles", "Policy", "Runs", "Summary", "open_feed", "run"]
