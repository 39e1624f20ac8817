"""Documents tell what was measured, and nothing else."""

import csv
import json
import re

import pytest

from model.files import file_digest
from tests.conftest import ROOT
from training.report import fill_in, language_table


def test_documents_tell_what_was_measured():
    """README and model card hold the figures of the evaluations of the shipped checkpoint, and no others."""
    digest = f"sha256:{file_digest(ROOT / 'best_model.pth')}"
    for dataset in ("flickr8k", "coco"):
        figures, unguided, *others = (
            json.loads((ROOT / "docs" / "results" / f"{dataset}-test{name}" / "scores.json").read_text())
            for name in ("", "-unguided", "-plain", "-tta", "-224", "-before")
        )
        assert all(each["model"]["digest"] == digest for each in (figures, unguided))
        for name in ("README.md", "MODEL_CARD.md"):
            document = (ROOT / name).read_text()
            assert fill_in(document, figures, [unguided, *others]) == document
    with pytest.raises(ValueError, match="there is no"):
        fill_in("a document without a place", figures)


def test_the_page_of_experiments_has_the_figures_of_the_table():
    with (ROOT / "docs" / "experiments.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {"first", "joint", "longer"} <= {row["name"] for row in table}
    page = (ROOT / "docs" / "experiments.md").read_text()
    sections = {part.partition(":")[0]: part for part in page.split("\n## ")}
    cells = {name: re.findall(r"^\| (.+) \|$", part, re.MULTILINE) for name, part in sections.items()}
    told = {"frozen", "fine_tune", "self_critical", "joint"}
    stages = [row for row in table if row["stage"] in told and not row["name"].startswith("ablation: ")]
    assert len(cells["Stages"]) == len(stages) + 2  # and the header
    for row in stages:
        figures = " | ".join(f"{float(row[name]):.3f}" for name in ("B-1", "B-4", "CIDEr"))
        beginning = f"{row['name']} | {row['stage']} | {row['epochs']} | "
        assert any(cell.startswith(beginning) and cell.endswith(figures) for cell in cells["Stages"]), row
    ways = [row for row in table if row["name"].startswith("sweep: ")]
    assert len(cells["Decoding"]) == len(ways) + 2
    for row in ways:
        assert any(cell.startswith(row["settings"].replace("; ", ", ") + " | ") for cell in cells["Decoding"]), row
    ablation = {row["name"].removeprefix("ablation: ") for row in table if row["name"].startswith("ablation: ")}
    assert ablation == {cell.partition(" | ")[0] for cell in cells["Ablation"][2:]}


def test_languages_are_told_beside_what_people_reach():
    scores = {"B-1": 0.6, "B-2": 0.5, "B-3": 0.4, "B-4": 0.3, "R-L": 0.5, "CIDEr": 0.9}
    own = {"scores": scores, "intervals": {"CIDEr": (0.85, 0.95)}, "people": {"scores": {"CIDEr": 1.2}}}
    several = {"photographs": 1000, "references": 5000, "language": "zh", "by_words": own}
    one = {"photographs": 929, "references": 929, "language": "fr", "by_words": {}}
    table = language_table([own | several, own | one | {"people": {}}])
    figures = "0.600 | 0.500 | 0.400 | 0.300 | 0.500 | 0.900 | 0.850–0.950"
    assert table.splitlines()[2:] == [
        f"| 中文, by characters | 1,000 | 5 | {figures} | 1.200 | 75% |",
        f"| 中文, by words | 1,000 | 5 | {figures} | 1.200 | 75% |",
        f"| Français | 929 | 1 | {figures} | – | – |",
    ]
