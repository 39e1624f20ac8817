"""The sweep over decodings, with the shipped checkpoint."""

import json

import pytest

from tests.conftest import ROOT
from tests.training.drawn_dataset import write
from training import sweep


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_sweep_records_every_way(tmp_path, monkeypatch, capsys):
    data = write(tmp_path / "data", "release", 36)
    monkeypatch.setattr(sweep, "WAYS", sweep.WAYS[:2])
    monkeypatch.setattr(sweep, "SIGHTS", sweep.SIGHTS[:1])
    model = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]
    records = tmp_path / "records"
    output = ["--output", str(records / "sweep.json"), "--cache", str(tmp_path / "cache")]
    assert sweep.main(["--data", str(data), *output, *model]) == 0
    record = json.loads((records / "sweep.json").read_text())
    assert record["photographs"] == 6 and len(record["digest"]) == 64
    assert [way["options"] for way in record["ways"]] == [
        {"method": "greedy", "no_repeat_ngram_size": 2},
        {"method": "beam", "beam_size": 2, "length_penalty": 1.0, "no_repeat_ngram_size": 2},
        {"method": "beam", "beam_size": 2, "length_penalty": 1.0, "no_repeat_ngram_size": 2}
        | {"seen": "plain 288 and flip 288"},
    ]
    assert all(way["quality"]["repeated_bigrams"] == 0 for way in record["ways"])
    told = capsys.readouterr().out
    assert all(f"'CIDEr': {round(way['scores']['CIDEr'], 4)}" in told for way in record["ways"])
