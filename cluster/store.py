"""A folder of files, wherever it is: on a disk that all machines see, in S3, in Google Cloud Storage."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import fs

from collection.walk import MAX_FILE_BYTES, PhotographUnreadable, read_photograph
from model.folders import files_below, is_photograph_name


class StoreRefused(ValueError):
    """The address leads to no folder that can be used; the message says why."""


class Store:
    """`address` is a local folder or a URI: s3://bucket/folder, gs://bucket/folder; credentials and regions are found
    as their own tools find them. Raises StoreRefused.
    """

    def __init__(self, address: str) -> None:
        try:
            if "://" in address:
                self.filesystem, self.root = fs.FileSystem.from_uri(address)
                address = address.partition("?")[0]  # what follows says how to get there
            else:
                self.filesystem, self.root = fs.LocalFileSystem(), str(Path(address).absolute())
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise StoreRefused(f"{address} cannot be used: {error}") from error
        self.is_local = "://" not in address
        self.address = address.rstrip("/") or "/"

    def photographs(self) -> list[str]:
        """The addresses of all files below with an image's extension, in the order of their names, folder by folder;
        hidden ones are passed over. Raises StoreRefused where there is no folder.
        """
        if self.is_local:  # pyarrow goes round where links do, and reads no name that is not UTF-8
            if not Path(self.root).is_dir():
                raise StoreRefused(f"{self.address} cannot be listed: it is not a folder")
            return list(files_below(self.address, is_photograph_name))
        try:
            files = self.filesystem.get_file_info(fs.FileSelector(self.root, recursive=True))
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise StoreRefused(f"{self.address} cannot be listed: {error}") from error
        names = [
            posixpath.relpath(file.path, self.root).split("/") for file in files if file.type != fs.FileType.Directory
        ]
        return [posixpath.join(self.address, *parts) for parts in sorted(filter(_is_photograph, names))]

    def read(self, address: str) -> bytes:
        """A file that `photographs` named. Raises PhotographUnreadable."""
        place = self._place(address[len(self.address) :].lstrip("/"))
        if self.is_local:
            return read_photograph(place)
        try:
            with self.filesystem.open_input_file(place) as file:
                if file.size() > MAX_FILE_BYTES:
                    raise PhotographUnreadable(f"The file is larger than {MAX_FILE_BYTES // 2**20} MB.")
                data: bytes = file.read()
                return data
        except PhotographUnreadable:
            raise
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise PhotographUnreadable(f"The file cannot be read: {error}.") from error

    def names(self) -> set[str]:
        """Of the files in the folder itself; none where there is no folder yet."""
        files = self.filesystem.get_file_info(fs.FileSelector(self.root, allow_not_found=True))
        return {file.base_name for file in files}

    def load(self, name: str) -> bytes:
        with self.filesystem.open_input_file(self._place(name)) as file:
            data: bytes = file.read()
            return data

    def save(self, name: str, write: Callable[[Any], None]) -> None:
        """`write` is given an open file; it appears whole or not at all, in the place of one of the same name."""
        self.filesystem.create_dir(self.root, recursive=True)
        temporary = self._place(f".{name}.tmp")
        with self.filesystem.open_output_stream(temporary) as file:
            write(file)
        self.filesystem.move(temporary, self._place(name))

    def _place(self, name: str) -> str:
        return posixpath.join(self.root, name)


def _is_photograph(parts: list[str]) -> bool:
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and is_photograph_name(parts[-1])
