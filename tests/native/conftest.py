from __future__ import annotations

from collections.abc import Iterator

import pytest
import surroundings


@pytest.fixture(scope="module", autouse=True)
def _tools() -> Iterator[None]:
    """Compilers, binutils and valgrind, as this machine has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", surroundings.MACHINE["PATH"])
        yield
