"""The layouts of outputs that families have in common: what they hold, and how they are decoded.

A layout is a value. What two exports do differently (units, order of columns, what a score is) is
a field of it; a family is a table of them. See `OutputLayout` for the fields that all have.
"""

from edge.models.layouts.fastest import SharedClasses, WeighedCells
from edge.models.layouts.maps import AnchorMaps, Centers, Distances, Peaks
from edge.models.layouts.tables import BoxesScores, EndToEnd, Rows

__all__ = [
    "AnchorMaps",
    "BoxesScores",
    "Centers",
    "Distances",
    "EndToEnd",
    "Peaks",
    "Rows",
    "SharedClasses",
    "WeighedCells",
]
