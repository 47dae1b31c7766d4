"""The zip that exporters append to a TensorFlow Lite file: texts about the model, and labels.

Source: TensorFlow Lite's metadata, whose associated files are such a zip, and Ultralytics' exports,
which append `metadata.json` (older ones `temp_meta.txt`) in the same way.
"""

from __future__ import annotations

import io
import zipfile
from types import MappingProxyType

_FILES, _BYTES = 64, 1 << 20  # more of either is no metadata
_Texts = MappingProxyType[str, str]


def texts(model: bytes) -> tuple[_Texts, tuple[str, ...]]:
    """The files of the zip at a model's end that hold UTF-8 text, by name.

    Args:
        model: The whole file.

    Returns:
        The texts, none where there is no zip; and sentences on what could not be read.
    """
    if b"PK\x05\x06" not in model[-(1 << 16) - 22 :]:  # the mark of a zip's end, and a comment
        return MappingProxyType({}), ()
    contents: dict[str, str] = {}
    warnings = []
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            for info in archive.infolist()[:_FILES]:
                text, warning = _text(archive, info)
                if text is not None:
                    contents[info.filename] = text
                if warning is not None:
                    warnings.append(warning)
    except Exception as error:  # so does its reader
        warnings.append(_damaged("the zip", error))
    return MappingProxyType(contents), tuple(warnings)


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[str | None, str | None]:
    """What a file says, and why it could not be read; neither where it is no text."""
    try:
        return (archive.read(info).decode() if info.file_size <= _BYTES else None), None
    except UnicodeDecodeError:
        return None, None
    except Exception as error:  # each of the decoders raises others
        return None, _damaged(info.filename, error)


def _damaged(what: str, error: Exception) -> str:
    reason = str(error) or type(error).__name__
    return f"the metadata at the file's end are damaged and left out: {what}: {reason}"
