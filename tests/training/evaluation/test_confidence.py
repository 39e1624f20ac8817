"""What a confidence is worth, by hand; the command on a few drawn photographs, with the shipped checkpoint."""

import json

import numpy as np
import pytest

from model.confidence import TARGETS
from tests.conftest import ROOT
from tests.training.drawn_dataset import write
from training.confidence import main
from training.evaluation.confidence import auroc, confidence_scores, expected_calibration_error
from training.evaluation.not_photographs import KINDS, drawn

SAID = np.array([0.95, 0.9, 0.9, 0.5, 0.2])
SHARES = np.array([1.0, 1.0, 0.5, 1.0, 0.0])


def test_the_error_is_the_gap_between_what_is_said_and_what_is_so():
    assert expected_calibration_error(np.array([0.9] * 10), np.array([1] * 9 + [0])) == pytest.approx(0)
    assert expected_calibration_error(np.array([0.9, 0.1]), np.array([0, 1])) == pytest.approx(0.9)
    assert auroc(SAID, SHARES >= 0.5) == 1 and auroc(SAID, SHARES >= 0) is None


def test_which_captions_are_flagged():
    targets = np.stack([SHARES >= 0.5, SHARES >= 1, SHARES >= 0], axis=1)
    found = confidence_scores(np.stack([SAID] * 3, axis=1), targets, SHARES)
    assert found["flagged"] == {
        "of all": 0.4,
        "of those with less than a third right": 1.0,
        "of those that are all right": pytest.approx(1 / 3),
    }
    assert found["bad"] == 1 and found["bad_flagged_at_15"] == 1
    assert found["auroc"] == {TARGETS[0]: 1, TARGETS[1]: pytest.approx(4.5 / 6), TARGETS[2]: None}
    assert sum(count for *_, count in found["bins"]) == 5


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("confidence")
    data = write(folder / "data", "release", 24)
    output = folder / "output"
    model = [str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--cache", str(folder / "cache")]
    assert main([*model, "--data", str(data), "--drawn", "2", "--output", str(output)]) == 0
    assert (output / "confidence.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((output / "confidence.json").read_text()), (output / "report.md").read_text()


def test_a_report_of_a_split(figures):
    scores, report = figures
    assert scores["split"] == "test" and scores["scores"]["data"]["captions"] == 4
    assert scores["anothers_caption"]["pairs"] == 4
    assert 0 <= scores["words"]["data"]["ece"] <= 1
    assert report.startswith("# What the confidence is worth, test split\n") and "![reliability" in report


def test_what_is_drawn_is_doubted(figures):
    flagged = figures[0]["no_photographs"]
    assert set(flagged) == set(KINDS) and np.mean([*flagged.values()]) >= 0.9
    for kind in KINDS:
        first, again, other = drawn(kind, 1)[0], drawn(kind, 2)[0], drawn(kind, 2)[1]
        assert first.tobytes() == again.tobytes() != other.tobytes()


def test_without_a_second_look_there_is_none(tmp_path, capsys):
    assert main([str(tmp_path / "none.pth"), "--data", str(tmp_path)]) == 2
    assert "none.pth" in capsys.readouterr().err
