"""The detector that comes with the package, and something for it to look at."""

from __future__ import annotations

from pathlib import Path

MODEL = Path(__file__).parent / "conveyor.edge"
SOURCE = "test:conveyor?frames=100"
