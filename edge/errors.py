"""What can go wrong, as one tree.

EdgeError
├── ModelError                    the file, or what it declares, is not usable
│   └── UnsupportedModelError     well formed, but no family or backend here can run it
├── BackendError                  a runtime failed
├── NotInstalledError             an optional package is missing; names the extra to install
│   └── BackendNotInstalledError  that package is a runtime (also a BackendError)
├── SourceError                   a camera, file or stream could not be read
├── SinkError                     results could not be written
│   └── UnsavedError              one file could not; the next may well be
├── DownloadError                 a model could not be fetched, or is not the one wanted
├── DataError                     a dataset, its images or its labels, is not usable
└── CalibrationError              the data or the recipe cannot give a valid result

A wrong argument (shape, dtype, range) is a ValueError or TypeError, as in NumPy.
"""

from __future__ import annotations

from edge.redaction import redacted


class EdgeError(Exception):
    """Base class of the errors of this package. No secret of the run is in its message.

    Example:
        >>> from edge import Detector, EdgeError
        >>> try:
        ...     Detector.load("missing.edge")
        ... except EdgeError as error:
        ...     print(error)
        missing.edge: no such file or folder
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(each) if isinstance(each, str) else each for each in args))


class ModelError(EdgeError):
    """The model file, or what it declares, is not usable."""


class UnsupportedModelError(ModelError):
    """The model is well formed, but no family or backend here can run it."""


class BackendError(EdgeError):
    """A runtime failed."""


class NotInstalledError(EdgeError):
    """An optional package is missing; the message names the extra to install."""

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(f"{need}: pip install 'edge-yolo[{extra}]'")


class BackendNotInstalledError(NotInstalledError, BackendError):
    """A runtime is not installed; the message names the extra to install."""


class SourceError(EdgeError):
    """A camera, file or stream could not be read."""


class SinkError(EdgeError):
    """Results could not be written."""


class UnsavedError(SinkError):
    """One file could not be written; the next may well be."""


class DownloadError(EdgeError):
    """A model could not be fetched, or is not the one that was wanted."""


class DataError(EdgeError):
    """A dataset, its images or its labels, is not usable."""


class CalibrationError(EdgeError):
    """The data or the recipe cannot give a valid result."""
