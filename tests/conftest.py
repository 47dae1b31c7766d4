"""What every test may ask for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow; that is no failure. And the same examples each time: a red run is red
# again.
settings.register_profile(
    "edge", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("edge")

# A shell that starts a job in the background may have it ignore Ctrl-C, and all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["EDGE_TUNE"] = "off"  # what somebody tuned on this machine is no part of a test


@pytest.fixture(scope="session")
def shared() -> Path:
    """Photographs, models and measured facts that are not part of the project.

    The folder named by EDGE_SHARED, else `shared` beside the checkout.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("EDGE_SHARED") or beside)
    if not folder.is_dir():
        pytest.skip(f"needs the shared data, which is not at {folder}; EDGE_SHARED names the place")
    return folder
