"""The evaluation command on a small drawn dataset, with the shipped checkpoint."""

import json

import pytest

from tests.conftest import ROOT
from tests.training.drawn_dataset import write
from training.evaluate import main
from training.evaluation.metrics import java_found
from training.report import evaluation_report, gallery, score_table

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # pycocoevalcap leaves its Java process's pipes open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("data"), "release", 102)
    (folder / "Flicker8k_Dataset" / "0001.jpg").write_bytes(b"damaged")
    return folder


@pytest.fixture(scope="module")
def result(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluation")
    above = tmp_path_factory.mktemp("above")
    (above / "linked").symlink_to(data)
    (above / "round").symlink_to(above)
    arguments = ["--data", str(above), "--split", "test", "--output", str(output), "--beam-size", "5", *MODEL]
    assert main(arguments) == 0
    assert (output / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert (output / "contact_sheet.jpg").read_bytes().startswith(b"\xff\xd8")
    figures, captions = (json.loads((output / f"{name}.json").read_text()) for name in ("scores", "captions"))
    return figures | {"captions": captions}, (output / "report.md").read_text()


def test_the_record_is_complete(result):
    scores, _ = result
    assert scores["split"] == "test" and scores["photographs"] == 16 and scores["references"] == 48
    assert list(scores["refused"]) == ["0001.jpg"]
    expected = {"B-1", "B-2", "B-3", "B-4", "R-1", "R-2", "R-L", "CIDEr"} | ({"METEOR"} if java_found() else set())
    assert set(scores["scores"]) == expected
    assert bool(scores["scores_ptb"]) == java_found()
    assert (
        scores["decoding"] == "beam 5, length penalty 1, guidance 0.2, re-ranked"
        and len(scores["model"]["digest"]) == 71
    )
    assert sum(entry["cider"] for entry in scores["captions"]) / 16 == pytest.approx(scores["scores"]["CIDEr"])
    assert all(low - 1e-9 <= scores["scores"][n] <= high + 1e-9 for n, (low, high) in scores["intervals"].items())
    assert 1 <= scores["quality"]["different_captions"] <= 16 and scores["quality"]["repeated_bigrams"] == 0
    assert -1 <= scores["calibration"]["caption_rank_correlation"] <= 1
    assert 0 <= scores["quality"]["all_named"] <= 1 - scores["quality"]["misses"] <= 1
    assert sum(count for _, count in scores["quality"]["commonest"]) <= 16
    assert scores["groups"]["other"]["photographs"] == 16  # drawn shapes are of no group
    assert scores["groups"]["other"]["CIDEr"] == pytest.approx(scores["scores"]["CIDEr"])
    assert scores["people"]["others"] == 2 and scores["people"]["scores"]["CIDEr"] > scores["scores"]["CIDEr"]
    assert 0 <= scores["inexpressible"]["words"] <= scores["inexpressible"]["references"] <= 1


def test_the_report_shows_captions_beside_their_photographs(result):
    scores, report = result
    assert "not the photographs of Flickr8k's official test split" in report
    assert "| each person against the other 2, mean |" in report and "one person" not in report
    assert "| other | 16 |" in report and f"- {scores['quality']['commonest'][0][1]} × " in report
    assert report.count("(CIDEr ") == 15
    entry = scores["captions"][0]
    assert f"`{entry['name']}`: **{entry['caption']}**" in report and entry["references"][0] in report


def test_the_captions_are_the_captioners(result, data, captioner):
    from model.captioner import DecodingOptions
    from model.images import decode_image

    entry = result[0]["captions"][0]
    image = decode_image((data / "Flicker8k_Dataset" / entry["name"]).read_bytes())
    assert captioner.caption([image], DecodingOptions(beam_size=5))[0][0].text == entry["caption"]


def test_words_outside_the_vocabulary_are_counted():
    from model.cnn_lstm.vocabulary import Vocabulary
    from training.evaluate import inexpressible

    vocabulary = Vocabulary.build(["a dog"], 1)
    assert inexpressible([[["a", "dog"], ["a", "yak"]], [["an", "emu"], ["a"]]], vocabulary) == {
        "references": 2 / 4,
        "words": 3 / 7,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--beam-size", "50"], "between 1 and 10"),
        (["--backend", "x"], "no back end"),
    ],
)
def test_what_cannot_be_done_is_said(data, capsys, arguments, words):
    assert main(["--data", str(data), *MODEL, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_tables_leave_a_dash_for_what_is_not_known():
    table = score_table({"ours": {"B-1": 0.5, "CIDEr": 1}, "theirs": {"B-1": 0.25}})
    assert table.splitlines() == [
        "| | B-1 | CIDEr |",
        "|---|---|---|",
        "| ours | 0.500 | 1.000 |",
        "| theirs | 0.250 | – |",
    ]


def test_the_gallery_ranks_by_score():
    entries = [{"name": f"{n}.jpg", "caption": "c", "cider": n / 10, "references": []} for n in range(9)]
    lines = [line for line in gallery(entries, 1).splitlines() if line.startswith("- ")]
    assert ["8.jpg" in lines[0], "4.jpg" in lines[1], "0.jpg" in lines[2]] == [True] * 3


def test_published_figures_stand_beside_their_own_split(result):
    scores, _ = result
    report = evaluation_report(scores | {"flickr8k_test": True}, scores["captions"])
    assert "| one person against the other four | 0.637 |" in report


def test_too_many_missing_photographs_are_no_score(tmp_path, capsys):
    folder = write(tmp_path / "data", "release", 24)
    (folder / "Flicker8k_Dataset" / "0001.jpg").unlink()
    assert main(["--data", str(folder), "--output", str(tmp_path), *MODEL]) == 2
    assert "missing or damaged" in capsys.readouterr().err and not (tmp_path / "scores.json").exists()
