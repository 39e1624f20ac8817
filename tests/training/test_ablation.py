"""The plan of an ablation is carried out, run by run, and goes on where it stopped."""

import csv
import json

import torch
import yaml
from torchvision.models import resnet50

from tests.conftest import ROOT
from tests.training.drawn_dataset import write
from training.ablation import main, merged, stage_rows


def test_changes_go_before_the_base_group_by_group():
    base = {"frozen": {"epochs": 5, "learning_rate": 0.1}, "seed": 1}
    assert merged(base, {"frozen": {"epochs": 2}, "hidden": 8}) == {
        "frozen": {"epochs": 2, "learning_rate": 0.1},
        "seed": 1,
        "hidden": 8,
    }


def test_a_stage_is_its_best_epoch():
    ciders = [("frozen", 0.40), ("frozen", 0.30), ("fine_tune", 0.45)]
    history = [
        {
            "stage": stage,
            "seconds": 10.0 * number,
            "dev": {"B-1": 0.5, "B-2": 0.4, "B-3": 0.3, "B-4": 0.1 * number, "CIDEr": cider},
        }
        for number, (stage, cider) in enumerate(ciders, start=1)
    ]
    history[2]["dev_with_start"] = history[2]["dev"] | {"CIDEr": 0.55}
    rows = stage_rows("plain", {"photographs": 60, "settings": {"seed": 1}, "history": history})
    assert [",".join(row.values()) for row in rows] == [
        "plain,1,frozen,60,2,15.0,10.0,0.500000,0.400000,0.300000,0.100000,0.400000",
        "plain,1,fine_tune,60,1,30.0,30.0,0.500000,0.400000,0.300000,0.300000,0.550000",
    ]


def test_every_variant_is_trained_with_every_seed_once(tmp_path, capsys):
    base = yaml.safe_load((ROOT / "configs" / "tiny.yaml").read_text())
    base |= {
        "frozen": {"epochs": 1, "learning_rate": 0.001},
        "augmentations": ["plain"],
        "photographs": 10,
        "ema_decay": 0,
        "label_smoothing": 0.1,
    }
    for stage in ("fine_tune", "self_critical", "joint"):
        base[stage]["epochs"] = 0
    plan = {"base": base, "seeds": [1, 2], "variants": {"baseline": {}, "label smoothing": {"label_smoothing": 0.3}}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    torch.save(resnet50().state_dict(), tmp_path / "resnet50.pth")
    words = [str(tmp_path / "plan.yaml"), "--data", str(write(tmp_path / "data", "release", 36))]
    words += ["--output", str(tmp_path / "runs")]
    words += ["--encoder-weights", str(tmp_path / "resnet50.pth"), "--encoder-stride", "3x3"]
    words += ["--cache", str(tmp_path / "cache")]
    (tmp_path / "runs").mkdir()
    table = tmp_path / "runs" / "ablation.csv"
    head = "name,seed,stage,photographs,epochs,seconds_an_epoch,fastest_epoch,B-1,B-2,B-3,B-4,CIDEr"
    before = "baseline,2,frozen,10,1,7.0,7.0,0.1000,0.1000,0.1000,0.1000,0.1000"
    table.write_text(f"{head}\n{before}\n")  # finished before
    assert main(words) == 0
    lines = table.read_text().splitlines()
    assert lines[:2] == [head, before]
    rows = [
        (row["name"], row["seed"], row["stage"], row["photographs"]) for row in csv.DictReader(lines[:1] + lines[2:])
    ]
    expected = [("baseline", "1"), ("label smoothing", "1"), ("label smoothing", "2")]
    assert rows == [(*run, "frozen", "10") for run in expected]
    found = {file.parent.name: json.loads(file.read_text()) for file in (tmp_path / "runs").glob("*/record.json")}
    assert {name: run["settings"]["label_smoothing"] for name, run in found.items()} == {
        "baseline-1": base["label_smoothing"],
        "label_smoothing-1": 0.3,
        "label_smoothing-2": 0.3,
    }
    assert all(run["photographs"] == 10 and run["settings"]["photographs"] == 10 for run in found.values())
    left = {file.relative_to(tmp_path / "runs").as_posix() for file in (tmp_path / "runs").rglob("*.pth")}
    assert left == {f"{name}/best_model.pth" for name in found}
    assert found["label_smoothing-1"]["history"] != found["label_smoothing-2"]["history"]

    (tmp_path / "plan.yaml").write_text("seeds: [1]")
    capsys.readouterr()
    assert main(words) == 2
    assert "no plan" in capsys.readouterr().err
