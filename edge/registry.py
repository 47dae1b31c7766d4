"""Official models: where they come from, under which license, and where they are kept.

Nothing here is part of this project: weights are fetched from their authors when asked for, and
keep their license.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edge import paths
from edge.errors import DownloadError

if TYPE_CHECKING:
    from edge.download import Progress, RetryPolicy


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model.

    Attributes:
        name: Under which it is kept.
        url: Where it comes from.
        hashes: hashlib's name of an algorithm to digest. Where none is known, the SHA-256 of the
            first download is written down and wanted from then on.
    """

    name: str
    url: str
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be pulled.

    Attributes:
        files: To fetch.
        family: Key into `edge.models.FAMILIES`.
        license: Of the weights, as an SPDX expression.
        origin: Page of the project that published it.
        ap: COCO val2017 AP@[.5:.95] in percent, as published there.
        input: Height and width at which that was measured.
    """

    files: tuple[File, ...]
    family: str
    license: str
    origin: str
    ap: float
    input: int


_YOLOV6 = "https://github.com/meituan/YOLOv6"
_YOLOV7 = "https://github.com/WongKinYiu/yolov7"
_GPL = "GPL-3.0-only"
_LITE_COMMIT = "e86a483f3f6bded25d45970b56831345a99744a4"
_LITE = (
    f"https://raw.githubusercontent.com/meituan/YOLOv6/{_LITE_COMMIT}"
    "/deploy/NCNN/Android/app/src/main/assets"
)


def _lite(size: str, there: str, ap: float, param: str, weights: str) -> Model:
    files = tuple(
        File(f"yolov6-lite-{size}.{suffix}", f"{_LITE}/{there}.{suffix}", {"sha256": digest})
        for suffix, digest in (("param", param), ("bin", weights))
    )
    return Model(files, "yolov6lite", _GPL, _YOLOV6, ap, 320)


def _released(project: str, release: str, file: str, ap: float, size: int = 640) -> Model:
    url = f"{project}/releases/download/{release}/{file}"
    family = "yolov6" if project == _YOLOV6 else "yolov7-tiny"
    return Model((File(file, url),), family, _GPL, project, ap, size)


# To add a model: a row. The numbers are those of the projects' own tables and answers.
MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "yolov6lite-s": _lite(
            "s",
            "yolov6-lite-s",
            22.4,
            "75d1d35dadf5d1eb8f34f3b87777282ef194cacaa4aa8a02dcbecee3f344bc55",
            "a3c6edb7328a7a6335bc54779e58c893536b4a61e4cb7b15e30d80295f64169f",
        ),
        "yolov6lite-m": _lite(
            "m",
            "yolov6-lite-m",
            25.1,
            "fb992ef0f93bfa9efafad4527bb0aac3311f1ae85e070e838507ae8f994e80bb",
            "b19174b46c414d7d03f08caeddea3b392e10bda298bc815527b7fe9967454af6",
        ),
        "yolov6lite-l": _lite(
            "l",
            "yolov6-lite-l0",
            28.0,
            "e60d2696dbda9cf5831c94f9d543c9badada70e64cd6c8cd3e616da25506c106",
            "929cd14d2d7c7f590e0a660c202e327fb512a3ce0ee384f5d008f68a2020237f",
        ),
        "yolov6n": _released(_YOLOV6, "0.4.0", "yolov6n.pt", 37.5),
        "yolov6s": _released(_YOLOV6, "0.4.0", "yolov6s.pt", 45.0),
        "yolov6n-0.2": _released(_YOLOV6, "0.2.0", "yolov6n.pt", 36.3),
        "yolov6t-0.2": _released(_YOLOV6, "0.2.0", "yolov6t.pt", 41.1),
        "yolov6s-0.2": _released(_YOLOV6, "0.2.0", "yolov6s.pt", 43.8),
        "yolov6n-0.2-onnx": Model(
            (
                File(
                    "yolov6n.onnx",
                    "https://dl.opencv.org/models/yolov6/yolov6n.onnx",
                    {"sha1": "a704c0ace51103a43920c50a396b2c8b09d2daec"},  # OpenCV's own test
                ),
            ),
            "yolov6",
            _GPL,
            _YOLOV6,
            36.3,
            640,
        ),
        "yolov7-tiny": _released(_YOLOV7, "v0.1", "yolov7-tiny.pt", 35.2, 416),
    }
)


def folder(name: str) -> Path:
    """Where a model is kept: in the user's cache (`XDG_CACHE_HOME`)."""
    return paths.cache() / "models" / name


def pulled(name: str) -> bool:
    """Whether all files of a model are there."""
    return all((folder(name) / file.name).is_file() for file in MODELS[name].files)


def pull(
    name: str,
    *,
    offline: bool = False,
    retry: RetryPolicy | None = None,
    progress: Progress = lambda _here, _all: None,
) -> tuple[Path, ...]:
    """The files of a model, fetched where they are not there yet, checked in any case.

    Args:
        name: Key into `MODELS`.
        offline: Take only what is there.
        retry: When to give up.
        progress: Called with the bytes of one file that are here, and all of them where known.

    Raises:
        DownloadError: A file could not be had, or is not the one that was wanted.
    """
    return tuple(_file(file, folder(name), offline, retry, progress) for file in MODELS[name].files)


def remove(name: str) -> bool:
    """Delete a model's folder. Returns whether there was one.

    Raises:
        DownloadError: It cannot be deleted.
    """
    place = folder(name)
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DownloadError(f"{place}: {error.strerror or error}") from error
    return True


def _file(
    file: File, place: Path, offline: bool, retry: RetryPolicy | None, progress: Progress
) -> Path:
    from edge import download  # not before it is needed: most commands never open a connection

    target = place / file.name
    noted = _noted().get(file.url)
    hashes = dict(file.hashes) | ({"sha256": noted["sha256"]} if noted else {})
    if offline and not target.is_file():
        raise DownloadError(f"{target}: not there, and nothing is fetched offline")
    try:
        if offline:
            digest = download.check(target, hashes, str(target))
        else:
            digest = download.fetch(file.url, target, hashes=hashes, retry=retry, progress=progress)
    except download.WrongFileError as error:
        if not noted:
            raise
        raise DownloadError(
            f"{error}, as it was at the first download on {noted['first']}. If its authors have "
            f"replaced it, delete its entry in {_notes()}"
        ) from error
    except OSError as error:
        raise DownloadError(f"{target}: {error.strerror or error}") from error
    if "sha256" not in hashes and not offline:
        _note(file.url, digest)
    return target


def _notes() -> Path:
    return paths.state() / "models.json"


def _noted() -> dict[str, dict[str, str]]:
    try:
        notes = json.loads(_notes().read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DownloadError(f"{_notes()}: {error}") from error
    if not isinstance(notes, dict) or not all(map(_is_note, notes.values())):
        raise DownloadError(f"{_notes()}: not the record of first downloads that it should be")
    return notes


def _is_note(entry: Any) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(k), str) for k in ("sha256", "first")
    )


def _note(url: str, digest: str) -> None:
    notes = _noted()
    notes[url] = {"sha256": digest, "first": datetime.now(timezone.utc).date().isoformat()}
    file = _notes()
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise DownloadError(f"{file}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
