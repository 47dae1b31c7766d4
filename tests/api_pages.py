"""python tests/api_pages.py FOLDER: pages of the API, from the docstrings, by pdoc.

A warning is an error, so that every name that is exported is there.
"""

from __future__ import annotations

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import calibration
import edge

# pdoc finds no names in annotations of a NamedTuple, nor in an alias that another module uses.
UNRESOLVED = r"Error parsing type annotation .* Import of (Change|Parts?|Score|Tensor|Unit) failed"


def write(folder: Path) -> None:
    """Write the pages of both packages.

    Raises:
        UserWarning: A module cannot be imported, or exports what is not there.
    """
    inner = [
        module.name
        for package in (edge, calibration)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    for package in (edge, calibration):
        for name in package.__all__:  # imported when first used; pdoc looks at what is there
            setattr(package, name, getattr(package, name))
    warnings.filterwarnings("error", module="pdoc")
    warnings.filterwarnings("ignore", UNRESOLVED)
    pdoc.render.configure(docformat="google")
    # Below a package that lists its public names, pdoc shows nothing that is not asked for.
    public = [name for name in inner if not name.rpartition(".")[2].startswith("_")]
    pdoc.pdoc("edge", "calibration", *public, output_directory=folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]))
