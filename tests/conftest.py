"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import surroundings
from hypothesis import HealthCheck, settings

from edge import redaction

# A busy machine is slow; that is no failure. And the same examples each time: a red run is red
# again.
settings.register_profile(
    "edge", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("edge")

FOLDERS = pytest.StashKey[surroundings.Folders]()


def pytest_sessionstart(session: pytest.Session) -> None:
    writer = session.config.get_terminal_writer()
    writer.fullwidth = writer.fullwidth  # the terminal's, not the one that tests are told of
    stack = ExitStack()
    session.config.add_cleanup(stack.close)
    folders = session.config.stash[FOLDERS] = stack.enter_context(surroundings.settled())
    folders.watch(surroundings.ROOT)


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(pytestconfig: pytest.Config) -> Iterator[None]:
    with surroundings.unchanged(pytestconfig.stash[FOLDERS]):
        yield


@pytest.fixture(autouse=True)
def _knows_no_secrets() -> None:
    """A word that was a password in one test is none in the next."""
    redaction._secrets = redaction._Secrets()


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
