"""Photographs by the names that lists give them, which were often written on another machine."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from model.folders import folded, is_photograph_name, leads_to_file, leads_to_folder


class NameUnclear(ValueError):
    """Several files may be meant; the message names them."""


class PhotographFolder:
    """Finds files by names that are perhaps spelt otherwise there: in another case (.JPG), composed or decomposed
    (Unicode's NFC and NFD), with Windows' backslashes, with spaces around them, without the extension.

    Each folder is listed once, and none before a name asks for it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listings: dict[Path, _Listing] = {}

    def has(self, name: str) -> bool:
        """Whether there is a file of just this name."""
        path = PurePosixPath(name)
        return path.name in self._listing(self.root / path.parent).files

    def find(self, name: str) -> Path | None:
        """The file; None where there is none. Raises NameUnclear."""
        given = PurePosixPath(name)
        if given.name in self._listing(self.root / given.parent).files:
            return self.root / given
        for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
            path: Path | None = self.root
            *folders, last = PurePosixPath(spelling).parts or ("",)
            for part in folders:
                path = self._listing(path).folder(part) if path else None
            if path and (found := self._listing(path).file(last)):
                return found
        return None

    def _listing(self, folder: Path) -> _Listing:
        if folder not in self._listings:
            self._listings[folder] = _Listing.of(folder)
        return self._listings[folder]


_KINDS = (leads_to_file, leads_to_folder)


@dataclass(frozen=True)
class _Listing:
    path: Path
    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()

    @classmethod
    def of(cls, path: Path) -> _Listing:
        """Without anything where there is no such folder."""
        try:
            with os.scandir(path) as found:
                entries = list(found)
        except (OSError, ValueError):
            return cls(path)
        files, folders = (frozenset(entry.name for entry in entries if is_one(entry)) for is_one in _KINDS)
        return cls(path, files, folders)

    def folder(self, name: str) -> Path | None:
        if name in self.folders:
            return self.path / name
        return self._one(name, [own for own in self.folders if _plain(own) == _plain(name)])

    def file(self, name: str) -> Path | None:
        if name in self.files:
            return self.path / name
        plain = _plain(name)
        return self._one(name, self._by_name.get(plain) or self._by_stem.get(plain, []))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped((_plain(name), name) for name in self.files)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped((_plain(Path(name).stem), name) for name in self.files if is_photograph_name(name))

    def _one(self, name: str, candidates: list[str]) -> Path | None:
        """Of those that differ in their case as well, the one that does not. Raises NameUnclear."""
        close = [own for own in candidates if _composed(own) == _composed(name)] or candidates
        if len(close) > 1:
            raise NameUnclear(f"{name} may be {' or '.join(sorted(close))}")
        return self.path / close[0] if close else None


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return groups


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _plain(name: str) -> str:
    """The same for all spellings of a name."""
    return folded(name.strip())


def printable(text: str) -> str:
    """Bytes of a file's name that are no UTF-8 as \\xNN: a name that can be printed, digested and kept in JSON."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
