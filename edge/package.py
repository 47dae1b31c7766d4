"""The `.edge` model package: everything a detector needs, in one folder or one zip.

    model.toml               what the model is (see `manifest`)
    ncnn-fp16/model.param    the files of each artifact, under <backend>-<precision>/
    ncnn-fp16/model.bin

An artifact is the model as one runtime takes it, keyed by (backend, precision). The zip holds the
same files, stored without compression. Every file's SHA-256 is in `model.toml` and is checked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, TypeAlias

from edge import manifest
from edge.backends.base import ModelFiles, Precision
from edge.errors import ModelError
from edge.models import layout
from edge.models.base import ModelSpec
from edge.paths import exists
from edge.types import Layout

MANIFEST = "model.toml"
MANIFEST_LIMIT = 4 << 20  # bytes
FILE_LIMIT = 1 << 30  # bytes
_Entries: TypeAlias = dict[str, tuple[int, Callable[[], bytes]]]  # name to size and reader


@dataclass(frozen=True, slots=True)
class Artifact:
    """The model as one runtime takes it.

    Attributes:
        backend: Key into `edge.backends.BACKENDS`.
        precision: Of the stored weights, and of the arithmetic where that is "int8".
        files: Suffix without the dot to content.
        layout: Order of the input's axes.
        best_for: Features of CPUs for which it is the fastest, as `edge.board` names them.
    """

    backend: str
    precision: Precision
    files: ModelFiles
    layout: Layout = "NCHW"
    best_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Package:
    """A model with its weights, in memory.

    Attributes:
        name: For people.
        spec: What the outputs mean.
        artifacts: In order of preference; at most one for each (backend, precision).
        license: Of the weights, as an SPDX expression; empty when unknown.
        provenance: Where the model came from: "tool" and the SHA-256 of each source file.
        quantization: Summary of how the INT8 artifacts were made; empty for float models.
        sources: Where a fact of `spec` is from: "file", "option" (the user said so), "training",
            "family" (usual for it) or "assumed" (not known). Facts are "family", "input", "labels",
            "anchors", "color" and "letterbox"; of those that are absent nothing is known.
    """

    name: str
    spec: ModelSpec
    artifacts: tuple[Artifact, ...]
    license: str = ""
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    quantization: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def artifact(self, backend: str | None = None, precision: Precision | None = None) -> Artifact:
        """The artifact to run: the first one that suits.

        A float artifact suits "fp32" and "fp16" alike, since a runtime computes in either.

        Raises:
            ModelError: None suits; the message lists those there are.
        """
        for artifact in self.artifacts:
            same_kind = precision is None or (artifact.precision == "int8") == (precision == "int8")
            if backend in (None, artifact.backend) and same_kind:
                return artifact
        asked = " ".join(filter(None, [backend, precision])) or "any"
        there = ", ".join(f"{a.backend} {a.precision}" for a in self.artifacts) or "none"
        raise ModelError(f"{self.name}: no artifact for {asked}; there are: {there}")


def is_package(path: Path) -> bool:
    """Whether `path` looks like a package rather than a bare model file.

    Raises:
        ModelError: It may not be looked into.
    """
    if not path.is_dir():
        return _starts_as_zip(path)
    return exists(path / MANIFEST, ModelError)


def _starts_as_zip(path: Path) -> bool:
    """Not only ends as one: exporters append a zip of metadata to other files."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error


def read(path: Path) -> Package:
    """Read and check a package.

    Args:
        path: A folder, or a zip of the same.

    Raises:
        ModelError: It is not a package, or is damaged, altered or of a newer format.
    """
    try:
        with _opened_folder(path) if path.is_dir() else _opened_zip(path) as entries:
            return _package(path, entries)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error


def write(package: Package, path: Path, *, zipped: bool = False, force: bool = False) -> None:
    """Write a package: all of it, or nothing.

    Args:
        package: What to write.
        path: The folder, or the zip, to be made.
        zipped: One uncompressed zip instead of a folder.
        force: Replace a package that is already there. Anything else is never replaced.

    Raises:
        ModelError: The package is not one that `read` takes, something is in the way, or the disk
            refuses.
    """
    if exists(path, ModelError) or path.is_symlink():
        if not force:
            raise ModelError(f"{path}: already exists; --force replaces it")
        if not is_package(path):
            raise ModelError(f"{path}: exists and is not a model package; it is left alone")
    contents = _contents(package, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            if zipped:
                _write_zip(temporary, contents)
            else:
                _write_folder(temporary, contents)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error


def _contents(package: Package, path: Path) -> dict[str, bytes]:
    contents = {
        f"{artifact.backend}-{artifact.precision}/model.{suffix}": data
        for artifact in package.artifacts
        for suffix, data in artifact.files.items()
    }
    entries = [
        manifest.ArtifactEntry(
            backend=artifact.backend,
            precision=artifact.precision,
            layout=artifact.layout,
            best_for=artifact.best_for,
            files=MappingProxyType(
                {
                    name: hashlib.sha256(contents[name]).hexdigest()
                    for name in (
                        f"{artifact.backend}-{artifact.precision}/model.{suffix}"
                        for suffix in artifact.files
                    )
                }
            ),
        )
        for artifact in package.artifacts
    ]
    described = manifest.Manifest(
        name=package.name,
        spec=package.spec,
        artifacts=tuple(entries),
        license=package.license,
        provenance=package.provenance,
        quantization=package.quantization,
        sources=package.sources,
    )
    try:
        text = manifest.dumps(described)
    except UnicodeEncodeError as error:
        raise ModelError(f"{path}: {ascii(error.object)[:80]} is not UTF-8 text") from error
    _facts(text, path)  # what is written can be read, and stays inside the package
    return {MANIFEST: text, **contents}


def _facts(text: bytes, path: Path) -> manifest.Manifest:
    """What `model.toml` says, when a family of ours reads such a model."""
    facts = manifest.loads(text, str(path / MANIFEST))
    try:
        layout(facts.spec.family, facts.spec.form).check(facts.spec)
    except ModelError as error:
        raise type(error)(f"{path / MANIFEST}: {error}") from error
    return facts


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in contents.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)


def _write_zip(file: Path, contents: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            # A fixed date: the same package is the same file.
            archive.writestr(zipfile.ZipInfo(name), data)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes the place of `path` when the block succeeds."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new, old = scratch / "new", scratch / "old"
    try:
        yield new
        if path.is_dir() or (path.exists() and new.is_dir()):
            path.rename(old)  # a folder neither replaces nor is replaced in one step
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _opened_folder(folder: Path) -> Iterator[_Entries]:
    entries: _Entries = {}
    for root, folders, names in os.walk(folder, onerror=_raise):
        for name in [*folders, *names]:
            entry = Path(root, name)
            key = entry.relative_to(folder).as_posix()
            if entry.is_symlink():
                raise ModelError(f"{folder}: {key} is a link; a package holds plain files")
            if entry.is_file():
                entries[key] = (entry.stat().st_size, entry.read_bytes)
    yield entries


@contextmanager
def _opened_zip(file: Path) -> Iterator[_Entries]:
    try:
        with zipfile.ZipFile(file) as archive:
            entries: _Entries = {}
            for info in archive.infolist():
                if info.is_dir():
                    continue
                _check_member(file, info)
                if info.filename in entries:
                    raise ModelError(f"{file}: {info.filename} is in the zip twice")
                entries[info.filename] = (info.file_size, partial(archive.read, info))
            yield entries
    # NotImplementedError is what zipfile raises of a zip in a form that it does not read.
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ModelError(f"{file}: not a model package (a folder or zip): {error}") from error


def _check_member(file: Path, info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename:
        raise ModelError(f"{file}: {info.filename!r} leaves the package")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ModelError(f"{file}: {info.filename} is a link; a package holds plain files")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise ModelError(f"{file}: {info.filename} is compressed or encrypted; store it plainly")


def _content(package: Path, entries: _Entries, name: str) -> bytes:
    if name not in entries:
        raise ModelError(f"{package}: {name} is missing")
    size, read_bytes = entries[name]
    limit = MANIFEST_LIMIT if name == MANIFEST else FILE_LIMIT
    if size > limit:
        raise ModelError(f"{package}: {name} has {size} bytes; at most {limit} are read")
    return read_bytes()


def _raise(error: OSError) -> None:
    raise error


def _package(path: Path, entries: _Entries) -> Package:
    """Reads what the manifest lists, and nothing else."""
    if MANIFEST not in entries:
        raise ModelError(f"{path}: not a model package: it has no {MANIFEST}")
    content = _content(path, entries, MANIFEST)
    facts = _facts(content, path)
    listed = {name for entry in facts.artifacts for name in entry.files}
    for name in sorted(entries.keys() - listed - {MANIFEST}):
        raise ModelError(f"{path}: {name} is not listed in {MANIFEST}")
    artifacts = []
    for entry in facts.artifacts:
        files: dict[str, bytes] = {}
        for name, expected in entry.files.items():
            content = _content(path, entries, name)
            digest = hashlib.sha256(content).hexdigest()
            if digest != expected:
                raise ModelError(
                    f"{path}: {name} was altered: its SHA-256 is {digest}, {MANIFEST} says "
                    f"{expected}"
                )
            files[PurePosixPath(name).suffix[1:]] = content
        artifacts.append(
            Artifact(entry.backend, entry.precision, files, entry.layout, entry.best_for)
        )
    return Package(
        name=facts.name,
        spec=facts.spec,
        artifacts=tuple(artifacts),
        license=facts.license,
        provenance=facts.provenance,
        quantization=facts.quantization,
        sources=facts.sources,
    )
