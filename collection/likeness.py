"""What photographs look like, in numbers, and which are alike.

RESULTS.features beside the results, three files with a row a photograph: the digest of its content (32 bytes), the
encoder's pooled features, of unit length (float16), and a sketch of them, their random projection to 256 numbers
(float32; Johnson and Lindenstrauss 1984), in which distances are kept to some 10 %. Rows are only added; a photograph's
features are computed once. Nothing of it is made, loaded or computed unless it is asked for.

Brute force over the sketches, then the exact features of the nearest: of 100,000 photographs the sketches are 100 MB,
read in order. sqlite-vec cannot be loaded into every Python's SQLite, and usearch reads all 400 MB of the features.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHANNELS = 2048
_SKETCH = 256
_DIGEST_BYTES = 32
_NEAREST = 8
"""So many times as many as are asked for are compared exactly."""
Floats = NDArray[np.float32]


class FeaturesRefused(RuntimeError):
    """There are no features to look in, or they are not these; the message says why."""


@dataclass(frozen=True)
class Features:
    """Those of a collection, as far as they are computed."""

    folder: Path
    digests: NDArray[np.void]
    features: NDArray[np.float16]  # (photographs, channels)
    sketches: Floats  # (photographs, _SKETCH)

    @classmethod
    def of(cls, results: Path) -> Features:
        """Mapped, not read. Raises FeaturesRefused where there are none."""
        folder = features_of(results)
        rows = count(folder)
        if not rows:
            raise FeaturesRefused(f"there are no features yet: python -m collection features {results}")

        def mapped(name: str, kind: Any, width: tuple[int, ...]) -> Any:
            return np.memmap(folder / name, kind, "r", shape=(rows, *width))

        return cls(
            folder,
            mapped("digests", f"V{_DIGEST_BYTES}", ()),
            mapped("features", np.float16, (CHANNELS,)),
            mapped("sketches", np.float32, (_SKETCH,)),
        )

    def row(self, digest: str) -> int | None:
        found = np.flatnonzero(self.digests == np.void(bytes.fromhex(digest)))
        return int(found[-1]) if len(found) else None

    def digest(self, row: int) -> str:
        return bytes(self.digests[row]).hex()

    def nearest(self, row: int, most: int) -> list[tuple[str, float]]:
        """Digests of the photographs most like one, with the cosine of their features; without itself."""
        sketch = self.sketches[row]
        # |a - b|² without what is the same for all.
        distances = np.einsum("ij,ij->i", self.sketches, self.sketches) - 2 * (self.sketches @ sketch)
        candidates = min(len(distances), _NEAREST * most + 1)
        rows = np.argpartition(distances, candidates - 1)[:candidates]
        cosines = self.cosines(row, rows)
        order = np.argsort(-cosines, kind="stable")
        return [(self.digest(int(rows[one])), float(cosines[one])) for one in order if rows[one] != row][:most]

    def cosines(self, row: int, rows: NDArray[np.intp]) -> Floats:
        found: Floats = self.features[rows].astype(np.float32) @ self.features[row].astype(np.float32)
        return found


def features_of(results: Path) -> Path:
    return results.with_name(results.name.removesuffix(".sqlite") + ".features")


def count(folder: Path) -> int:
    """Rows that are written whole; 0 where there is nothing."""
    sizes = {"digests": _DIGEST_BYTES, "features": 2 * CHANNELS, "sketches": 4 * _SKETCH}
    try:
        return min(os.stat(folder / name).st_size // size for name, size in sizes.items())  # noqa: PTH116
    except OSError:
        return 0


def sketched(features: Floats) -> Floats:
    """(photographs, channels) to (photographs, _SKETCH)."""
    directions = np.random.RandomState(0).standard_normal((CHANNELS, _SKETCH))  # the same stream in every version
    found: Floats = features @ (directions / _SKETCH**0.5).astype(np.float32)
    return found


def append(folder: Path, digests: Sequence[str], features: Floats) -> None:
    """Rows of photographs; what a kill left half written is written over."""
    folder.mkdir(exist_ok=True)
    rows = count(folder)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    parts = {
        "features": unit.astype(np.float16).tobytes(),
        "sketches": sketched(unit.astype(np.float16).astype(np.float32)).tobytes(),
        "digests": b"".join(map(bytes.fromhex, digests)),  # last: a row is there when it has one
    }
    for name, content in parts.items():
        with (folder / name).open("ab") as file:
            file.truncate(rows * len(content) // len(digests))
            file.write(content)
