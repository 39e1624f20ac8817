"""The table of experiments, and the sweep over decodings that feeds it."""

import json

import pytest

from model.files import file_digest
from tests.conftest import ROOT, no_file_larger_than
from tests.training.drawn_dataset import write
from training import sweep
from training.evaluation.report import fill_in
from training.experiments import experiments_report, main


def run(seed, ciders, **settings):
    epochs = [
        {
            "stage": stage,
            "seconds": 10.0 * number,
            "dev": {"B-1": 0.5, "B-4": 0.1 * number, "CIDEr": cider},
        }
        for number, (stage, cider) in enumerate(ciders, start=1)
    ]
    return {"photographs": 60, "settings": {"seed": seed, "frozen": {"epochs": 3}} | settings, "history": epochs}


def test_stages_seeds_and_what_differs():
    report = experiments_report(
        {
            "plain1": run(1, [("frozen", 0.40), ("frozen", 0.30), ("fine_tune", 0.45)], dropout=0.5),
            "plain2": run(2, [("frozen", 0.44), ("fine_tune", 0.55)], dropout=0.5),
            "wet": run(1, [("frozen", 0.30)], dropout=0.1),
        }
    )
    assert "| plain1 | frozen | 2 | 15 | 0.500 | 0.100 | 0.400 |" in report
    assert "| plain1 | fine_tune | 1 | 30 | 0.500 | 0.300 | 0.450 |" in report
    assert "| plain1, plain2 | dropout 0.5 | 1, 2 | 0.500 ± 0.000 | 0.250 ± 0.071 | 0.500 ± 0.071 |" in report
    assert "| wet | dropout 0.1 | 1 | 0.500 | 0.100 | 0.300 |" in report


def test_the_ablation_compares_seed_by_seed():
    report = experiments_report(
        {
            "ablation-baseline-1": run(1, [("frozen", 0.40)]),
            "ablation-baseline-2": run(2, [("frozen", 0.44)]),
            "ablation-all_in_sum-1": run(1, [("frozen", 0.30), ("fine_tune", 0.50)]),
            "ablation-all_in_sum-2": run(2, [("frozen", 0.56)]),
            "ablation-stacked-2": run(2, [("frozen", 0.34)]),
        }
    )
    rows = [line for line in report.splitlines() if line.startswith(("| all", "| base", "| stacked"))]
    assert rows == [
        "| stacked | 60 | 2 | 10 | 0.500 | 0.100 | 0.340 | -0.100 |",
        "| baseline | 60 | 1, 2 | 10 | 0.500 ± 0.000 | 0.100 ± 0.000 | 0.420 ± 0.028 | – |",
        "| all in sum | 60 | 1, 2 | 10 | 0.500 ± 0.000 | 0.150 ± 0.071 | 0.530 ± 0.042 | +0.110 ± 0.014 |",
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_sweep_records_every_way_and_the_table_shows_it(tmp_path, monkeypatch, capsys):
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

    assert main([str(records), "--output", str(tmp_path / "experiments.md")]) == 0
    report = (tmp_path / "experiments.md").read_text()
    for way in record["ways"]:
        assert f"{way['scores']['CIDEr']:.3f}" in report
    assert "| greedy, no_repeat_ngram_size 2 |" in report and "| beam, beam_size 2, length_penalty 1.0," in report

    with no_file_larger_than(100):
        assert main([str(records), "--output", str(tmp_path / "experiments.md")]) == 2
    assert (tmp_path / "experiments.md").read_text() == report


def test_no_records(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "there are no records" in capsys.readouterr().err


def test_the_page_of_experiments_is_what_the_records_say():
    folder = ROOT / "docs" / "experiments"
    records = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    assert {"first", "joint", "sweep"} <= records.keys()
    assert (ROOT / "docs" / "experiments.md").read_text() == experiments_report(records)


def test_documents_tell_what_was_measured():
    """README and model card hold the figures of the evaluations of the shipped checkpoint, and no others."""
    digest = f"sha256:{file_digest(ROOT / 'best_model.pth')}"
    for dataset in ("flickr8k", "coco"):
        figures, thorough, fast, before = (
            json.loads((ROOT / "docs" / "results" / f"{dataset}-test{name}" / "scores.json").read_text())
            for name in ("", "-thorough", "-224", "-before")
        )
        assert all(each["model"]["digest"] == digest for each in (figures, thorough, fast))
        for name in ("README.md", "MODEL_CARD.md"):
            document = (ROOT / name).read_text()
            assert fill_in(document, figures, [thorough, fast, before]) == document
    with pytest.raises(ValueError, match="there is no"):
        fill_in("a document without a place", figures)
