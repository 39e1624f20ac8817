"""Where a record's words are written: into copies, the photographs themselves, or XMP sidecars beside them."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from collection.collisions import Output, below, beside
from collection.journal import STAMP, Record
from collection.metadata.errors import MetadataRefused
from collection.metadata.fields import Change, Description, Rules, write
from collection.metadata.photograph import described, require_library
from collection.metadata.xmp import LARGEST, Packet
from collection.stamps import refreshed
from collection.walk import PhotographUnreadable, read_photograph
from model.files import atomic_write
from model.imaging import take_apart


class Place(ABC):
    """A kind of file that the words are written to."""

    error: ClassVar[str] = "metadata_error"
    """A record's key for what went wrong."""
    has_own_files: ClassVar[bool] = True
    """Each photograph gets an `output` of its own; no two may get one."""
    advice: ClassVar[str] = ""
    """What to do where two would."""
    needs_library: ClassVar[bool] = True
    """Exiv2."""

    def require(self) -> None:
        """Raises MetadataRefused where what it needs is not installed."""
        if self.needs_library:
            require_library()

    def output(self, path: str) -> Output:
        """The file that the photograph gets for itself."""
        raise NotImplementedError(f"{type(self).__name__} has no files but the photographs")

    @abstractmethod
    def write(self, path: str, description: Description, rules: Rules, *, is_dry: bool) -> tuple[Record, list[Change]]:
        """What is to be added to the record, and what was changed, or would be. Raises MetadataRefused, OSError."""


@dataclass(frozen=True)
class Copies(Place):
    """In a folder, each under the path that its photograph was given by."""

    folder: Path
    error = "copy_error"
    advice = "Give these photographs other names, or caption them in two runs with a folder of copies each"

    def output(self, path: str) -> Output:
        return below(self.folder / place(path))

    def write(self, path: str, description: Description, rules: Rules, *, is_dry: bool) -> tuple[Record, list[Change]]:
        copy = self.folder / place(path)
        if copy.exists() and copy.samefile(path):
            raise MetadataRefused("The copy would take the place of the photograph itself.")
        data, changes = described(_read(path), description, rules)
        if not is_dry:
            copy.parent.mkdir(parents=True, exist_ok=True)
            _put(copy, data, like=Path(path))
        return {"copy": str(copy)}, changes


@dataclass(frozen=True)
class InPlace(Place):
    """The photograph itself."""

    has_own_files = False

    def write(self, path: str, description: Description, rules: Rules, *, is_dry: bool) -> tuple[Record, list[Change]]:
        file = Path(path).resolve()  # a link stays one
        before = file.stat()
        data, changes = described(_read(path), description, rules)
        if is_dry or not changes:
            return {}, changes
        _put(file, data, like=file, expected=before)
        return {STAMP: refreshed(path, (0, 0, ""))}, changes  # it is the one that was captioned


@dataclass(frozen=True)
class Sidecars(Place):
    """photo.jpg.xmp or photo.xmp beside photo.jpg: whichever is there, else the first; or as `name` wants it."""

    name: str | None = None
    needs_library = False
    advice = "--sidecar-name full writes photo.jpg.xmp beside photo.jpg"

    def output(self, path: str) -> Output:
        sidecar = self._sidecar(path)
        return Output(sidecar, beside(sidecar, as_spelt=sidecar.name == f"{Path(path).name}.xmp"))

    def _sidecar(self, path: str) -> Path:
        full = Path(f"{path}.xmp")
        stem = Path(path).with_suffix(".xmp") if Path(path).name else full
        return stem if self.name == "stem" or (not self.name and stem.exists() and not full.exists()) else full

    def write(self, path: str, description: Description, rules: Rules, *, is_dry: bool) -> tuple[Record, list[Change]]:
        sidecar = self._sidecar(path)
        file = sidecar.resolve()
        is_there = file.exists()
        before = file.stat() if is_there else None
        packet = Packet(_read_sidecar(file) if is_there else b"")
        changes = write(packet, description, rules, under=_packet_of(path))
        if changes and not is_dry:
            _put(file, packet.to_bytes(), like=file if is_there else None, expected=before, keeps_time=False)
        return {"sidecar": str(sidecar)}, changes


def place(path: str) -> Path:
    """Where in a folder of copies the photograph goes: relative, and never out of it."""
    given = Path(path)
    if given.is_absolute() or ".." in given.parts:
        given = Path(os.path.abspath(path))  # noqa: PTH100  # .. without following links, which resolve() would
    return given.relative_to(given.anchor)


def _read(path: str) -> bytes:
    try:
        return read_photograph(path)
    except PhotographUnreadable as error:
        raise MetadataRefused(str(error)) from error


def _read_sidecar(file: Path) -> bytes:
    if not file.is_file():
        raise MetadataRefused(f"{file} is not a plain file.")
    if file.stat().st_size > LARGEST:
        raise MetadataRefused(f"{file} is larger than {LARGEST // 2**20} MB.")
    return file.read_bytes()


def _packet_of(path: str) -> Packet | None:
    """The photograph's own; None where it has none that can be read."""
    with suppress(MetadataRefused):
        return Packet(take_apart(_read(path)).xmp)
    return None


def _put(
    file: Path,
    data: bytes,
    like: Path | None = None,
    expected: os.stat_result | None = None,
    keeps_time: bool = True,
) -> None:
    """The whole file or none of it, on the disk before it takes its place; with the owner, mode, attributes and time of
    `like`. Raises MetadataRefused where the file must not be written, or is not what was `expected` any more.
    """
    if expected and not os.access(file, os.W_OK):
        raise MetadataRefused(f"{file} must not be written: it is read-only.")
    with atomic_write(file) as temporary:
        mode = 0o600 if like else 0o666  # until it has that of the other
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, mode), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if like:
            _take_after(temporary, like, keeps_time)
        if expected and not _is_unchanged(file, expected):
            raise MetadataRefused(f"{file} was changed by someone else meanwhile, and is left as it is.")


def _take_after(file: Path, like: Path, keeps_time: bool) -> None:
    own, other = file.stat(), like.stat()
    with suppress(OSError):  # only root may
        os.chown(file, other.st_uid, other.st_gid)
    shutil.copystat(like, file)
    if not keeps_time:
        os.utime(file, ns=(own.st_atime_ns, own.st_mtime_ns))


def _is_unchanged(file: Path, before: os.stat_result) -> bool:
    now = file.stat()
    return (now.st_ino, now.st_size, now.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
