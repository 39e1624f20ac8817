"""Several folders of captioned photographs as one dataset, each with its weight, its role and its own dev split."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.files import atomic_write
from model.folders import files_below, is_photograph_name
from training.data.features import stamps
from training.data.leakage import leaks, perceptual_hashes
from training.data.names import printable
from training.data.records import DatasetRefused, Record, Split, in_split, name_dataset, read_dataset

_SAME_BITS = 4  # of 64, as in training/check.py
_SHOWN = 3
_JUDGED: tuple[Split, ...] = ("dev", "test")


@dataclass(frozen=True)
class Dataset:
    """A folder."""

    name: str
    records: Sequence[Record]
    weight: float = 1.0
    """How often an epoch sees each of its training photographs."""
    rewarded: bool = True
    """Whether sampled captions of its photographs are rewarded in self-critical training."""

    @property
    def described(self) -> str:
        return name_dataset(Path(self.name), self.records)


def read_datasets(
    folders: Sequence[Path],
    weights: Sequence[float] = (),
    unrewarded: Sequence[str] = (),
    captions: Sequence[Sequence[Path]] = (),
) -> list[Dataset]:
    """In their order; where there are several, a record's name begins with that of its folder. `captions` are the lists
    that are chosen of each.

    Raises DatasetRefused: two folders of one name, one without training photographs or none to choose by (dev), as
    many weights as folders are not given, or a name in `unrewarded` that no folder has.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise DatasetRefused(
            f"two folders have one name ({', '.join(names)}): rename one, so that scores can be told apart"
        )
    if weights and len(weights) != len(folders):
        raise DatasetRefused(f"{len(folders)} folders and {len(weights)} weights: give one a folder, in their order")
    if strangers := set(unrewarded) - set(names):
        raise DatasetRefused(
            f"there is no folder {', '.join(sorted(strangers))} to leave unrewarded: {', '.join(names)}"
        )
    found = []
    for number, (folder, name) in enumerate(zip(folders, names, strict=True)):
        records = read_dataset(folder, captions[number] if captions else ())
        if not in_split(records, "train") or not in_split(records, "dev"):
            raise DatasetRefused(f"{folder} has no photographs to train on or none to choose by (dev)")
        if len(folders) > 1:
            records = [replace(record, name=f"{name}/{record.name}") for record in records]
        found.append(Dataset(name, records, weights[number] if weights else 1.0, name not in unrewarded))
    return found


def rehearsed(folders: Sequence[Path], count: int, seed: int, captions: Sequence[Sequence[Path]] = ()) -> list[Dataset]:
    """So many training photographs of the folders in all, drawn by the seed from each alike, or all that one has where
    it has fewer. Raises DatasetRefused.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise DatasetRefused(f"two folders to rehearse have one name ({', '.join(names)}): rename one")
    found: dict[str, Dataset] = {}
    lists = captions or [()] * len(folders)
    splits = {
        name: in_split(read_dataset(folder, own), "train")
        for name, folder, own in zip(names, folders, lists, strict=True)
    }
    for number, (name, own) in enumerate(sorted(splits.items(), key=lambda item: len(item[1]))):
        if not own:
            raise DatasetRefused(f"{name} has no training photographs to rehearse")
        chosen = random.Random(seed).sample(own, min(len(own), count // (len(folders) - number)))
        count -= len(chosen)
        found[name] = Dataset(name, [replace(record, name=f"rehearsed/{name}/{record.name}") for record in chosen])
    return [found[name] for name in names]


def check_leakage(datasets: Sequence[Dataset], cache: Path) -> None:
    """Raises DatasetRefused where a dev or test photograph of one folder is in the training split of another, by its
    perceptual hash. What was found clean is remembered in `cache`: reading every photograph takes minutes.
    """
    if len(datasets) < 2:
        return
    records = [record for dataset in datasets for record in dataset.records]
    done = cache / f"leakage-{hashlib.sha256(stamps(records)).hexdigest()[:20]}.json"
    if done.is_file():
        return
    hashes, _ = perceptual_hashes(records)
    across = [
        leak
        for ours in datasets
        for theirs in datasets
        if ours is not theirs
        for split in _JUDGED
        for leak in leaks(
            [*in_split(ours.records, split), *in_split(theirs.records, "train")], hashes, split, _SAME_BITS
        )
    ]
    if across:
        pairs = ", ".join(f"{leak['photograph']} is {leak['in_training']}" for leak in across[:_SHOWN])
        raise DatasetRefused(
            f"{len(across)} photographs of a dev or test split are in another folder's training split ({pairs}): "
            "leave one of each pair out"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_write(done) as file:
        file.write_text(json.dumps({"photographs": len(records)}) + "\n")


def uncaptioned(folders: Sequence[Path]) -> list[Record]:
    """Every photograph below the folders, for what needs no captions. Raises DatasetRefused."""
    records = []
    for folder in folders:
        if not folder.is_dir():
            raise DatasetRefused(f"{folder} is not a folder")
        own = folder.resolve().name
        found = [Path(path) for path in files_below(str(folder), is_photograph_name)]
        if not found:
            raise DatasetRefused(f"{folder} holds no photographs")
        records += [Record(printable(f"{own}/{path.relative_to(folder)}"), path, "train", ()) for path in found]
    return records


def of_all_languages(records: Sequence[Record], folders: Sequence[Path]) -> Sequence[Record]:
    """Records of the same splits of which the folders' own lists tell, where they hold these: what the encoder gives of
    them serves all languages.
    """
    splits = {record.split for record in records}
    try:
        known = [record for folder in folders for record in read_dataset(folder)]
    except DatasetRefused:  # which list is its own is not to be told
        return records
    shared = [record for split in sorted(splits) for record in in_split(known, split)]
    return shared if {record.path for record in records} <= {record.path for record in shared} else records
