"""The plan of an ablation is carried out, run by run, and goes on where it stopped."""

import json

import torch
import yaml
from torchvision.models import resnet50

from tests.conftest import ROOT
from tests.training.drawn_dataset import write
from training.ablation import main, merged


def test_changes_go_before_the_base_group_by_group():
    base = {"frozen": {"epochs": 5, "learning_rate": 0.1}, "seed": 1}
    assert merged(base, {"frozen": {"epochs": 2}, "hidden": 8}) == {
        "frozen": {"epochs": 2, "learning_rate": 0.1},
        "seed": 1,
        "hidden": 8,
    }


def test_every_variant_is_trained_with_every_seed_once(tmp_path, capsys):
    base = yaml.safe_load((ROOT / "configs" / "tiny.yaml").read_text())
    base |= {
        "frozen": {"epochs": 1, "learning_rate": 0.001},
        "augmentations": ["plain"],
        "photographs": 10,
        "ema_decay": 0,
    }
    for stage in ("fine_tune", "self_critical", "joint"):
        base[stage]["epochs"] = 0
    plan = {"base": base, "seeds": [1, 2], "variants": {"baseline": {}, "label smoothing": {"label_smoothing": 0.3}}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    torch.save(resnet50().state_dict(), tmp_path / "resnet50.pth")
    words = [str(tmp_path / "plan.yaml"), "--data", str(write(tmp_path / "data", "release", 36))]
    words += ["--output", str(tmp_path / "runs"), "--records", str(tmp_path / "records")]
    words += ["--encoder-weights", str(tmp_path / "resnet50.pth"), "--encoder-stride", "3x3"]
    words += ["--cache", str(tmp_path / "cache")]
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "ablation-baseline-2.json").write_text("{}")  # finished before
    assert main(words) == 0
    found = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "records").iterdir()}
    assert found.pop("ablation-baseline-2") == {}
    assert {name: run["settings"]["label_smoothing"] for name, run in found.items()} == {
        "ablation-baseline-1": base["label_smoothing"],
        "ablation-label_smoothing-1": 0.3,
        "ablation-label_smoothing-2": 0.3,
    }
    assert all(run["photographs"] == 10 and run["settings"]["photographs"] == 10 for run in found.values())
    left = {file.relative_to(tmp_path / "runs").as_posix() for file in (tmp_path / "runs").rglob("*.pth")}
    assert left == {f"{name.removeprefix('ablation-')}/best_model.pth" for name in found}
    assert found["ablation-label_smoothing-1"]["history"] != found["ablation-label_smoothing-2"]["history"]

    (tmp_path / "plan.yaml").write_text("seeds: [1]")
    capsys.readouterr()
    assert main(words) == 2
    assert "no plan" in capsys.readouterr().err
