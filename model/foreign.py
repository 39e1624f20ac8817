"""What a file is that should hold weights and does not: told from its beginning, with what to do about it.

A pointer of Git LFS, a page that a browser saved or another program's format is a mistake, and is called one. What asks
for code is refused by those who read it. Nothing is executed here, and little is read.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TORCH, SAFETENSORS, PICKLE, ONNX, TEXT = "torch", "safetensors", "pickle", "ONNX", "text"
"""Kinds that a reader may want."""

_BEGINNING = 1024  # bytes
_LINE = 60  # characters of a text that are told
_LONGEST_HEADER = 100_000_000  # bytes, as the safetensors library has it
_ANOTHERS = "of another program, which cannot be read here"
_UNPACK = "unpack it first"
_TORCH_BEFORE_1_6 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_NEVER_WANTED: dict[bytes, str] = {
    rb"$": "empty: copy or download it again",
    rb"version https://(git-lfs|hawser)\.github\.com/spec/": "the pointer that Git LFS leaves in a file's place: "
    "`git lfs pull` fetches the file itself",
    rb"/annex/objects/": "the pointer that git-annex leaves in a file's place: `git annex get` fetches the file itself",
    rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|body|!--)": "a web page, as a link to a page about the file "
    "gives: download the file itself",
    rb"(\xef\xbb\xbf)?\s*<\?xml": "XML, as a server's error message is: download the file again",
    rb"\x89HDF": f"HDF5, as Keras has it, {_ANOTHERS}",
    rb".{4}TFL3": f"a model of TensorFlow Lite, {_ANOTHERS}",
    rb"GGUF": f"GGUF, as llama.cpp has it, {_ANOTHERS}",
    rb"\x93NUMPY": f"an array of NumPy, {_ANOTHERS}",
    rb"\x1f\x8b": f"compressed (gzip): {_UNPACK}",
    rb"\xfd7zXZ\0": f"compressed (xz): {_UNPACK}",
    rb"BZh[1-9]": f"compressed (bzip2): {_UNPACK}",
    rb"\x28\xb5\x2f\xfd": f"compressed (Zstandard): {_UNPACK}",
    rb"7z\xbc\xaf\x27\x1c": f"an archive (7z): {_UNPACK}",
    rb".{257}ustar": f"an archive (tar): {_UNPACK}",
    rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF.{4}WEBP": "a picture",
    rb"%PDF": "a PDF",
    rb"SQLite format 3\0": "a database (SQLite)",
}
"""What a file begins with, as a regular expression, and what it is."""


def describe_foreign(path: Path, *wanted: str) -> str | None:
    """The end of a message: "it is empty: …". None for a file of a kind that is wanted, as far as its beginning and
    length show, and for one of no kind that is known. Raises OSError.
    """
    with path.open("rb") as file:
        start = file.read(_BEGINNING)
    for beginning, said in _NEVER_WANTED.items():
        if re.match(beginning, start, re.DOTALL):
            return f"it is {said}"
    kind, said = _recognised(path, start)
    return f"it is {said}" if said and kind not in wanted else None


def describe_content(content: object) -> str:
    """Of what `torch.load` or a pickle gave and nobody here wrote, the end of a message."""
    if not isinstance(content, Mapping):
        return f"it holds a {type(content).__name__} alone, another program's"
    if content.keys() >= {"settings", "state", "optimizer"}:
        return "it is the state of a training, which goes on from it: the model is best_model.pth beside it"
    if "format" in content:
        return f"it says that it is '{content['format']}'"
    names = ", ".join(str(name) for name in list(content)[:3])
    return f"it holds {names or 'nothing'}{', …' * (len(content) > 3)}, as another program wrote it"


def _recognised(path: Path, start: bytes) -> tuple[str, str]:
    """The kind, and what it is in words; "" for both where it is not known."""
    if start.startswith(b"PK\3\4"):
        return _zip(path)
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and header < _LONGEST_HEADER:
        return _safetensors(path, header)
    if start.startswith(_TORCH_BEFORE_1_6):
        return TORCH, "a file of torch.save"
    if start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5":
        return PICKLE, "a pickle of Python, which may hold code: nothing of it was run"
    if re.match(rb"\x08[\x01-\x1e][\x12\x3a]", start):  # a protocol buffer: its version, then who made it or the graph
        return ONNX, f"a graph of ONNX, {_ANOTHERS}"
    if _is_text(path, start):
        line = start.decode("utf-8", "ignore").partition("\n")[0]
        return TEXT, f"text, which begins with {line.strip()[:_LINE]!r}"
    return "", ""


def _zip(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "", "cut off, for its end is missing: copy or download it again"
    ends = {name.rpartition("/")[2] for name in names}
    if {"data.pkl", "constants.pkl"} <= ends:
        return "", f"a program of TorchScript, {_ANOTHERS}"
    if "data.pkl" in ends:
        return TORCH, "a file of torch.save"
    if any(name.endswith((".h5", ".npy")) for name in ends):
        return "", f"an archive of Keras or NumPy, {_ANOTHERS}"
    return "", f"an archive (zip): {_UNPACK}"


def _safetensors(path: Path, header: int) -> tuple[str, str]:
    """Its header says how long the file is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(8)
        text = file.read(header)
    try:
        content: dict[str, Any] = json.loads(text)
        ends = [tensor["data_offsets"][1] for name, tensor in content.items() if name != "__metadata__"]
        needed = 8 + header + max(ends, default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        if len(text) == header:
            return "", ""
        needed = 8 + header
    if size < needed:
        return "", f"cut off: {size:,} bytes are there of {needed:,} or more; copy or download it again"
    return SAFETENSORS, "in the format safetensors"


def _is_text(path: Path, start: bytes) -> bool:
    """Pickles of before Python 3 are text as well, and end with a full stop."""
    with path.open("rb") as file:
        file.seek(-1, 2)
        last = file.read()
    whole = start.decode("utf-8", "ignore")
    return (
        last != b"." and len(start) - len(whole.encode()) < 4 and all(c.isprintable() or c in "\t\n\r" for c in whole)
    )
