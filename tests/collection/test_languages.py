"""Captions in several languages at once: records, columns, lines."""

import csv
import io
import json
from dataclasses import replace

import pyarrow.parquet
import pytest

from cluster.formats import FORMATS as PARTS
from collection.caption import main
from collection.catalogue import Collection
from collection.job import Job
from collection.outputs import FORMATS
from model.captioner import Capabilities, DecodingOptions
from tests.collection.test_command_line import QUICK
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import drawn, encoded

WORDS = {"en": "red", "de": "Rot", "zh": "红色"}


class Polyglot(ColourCaptioner):
    capabilities = Capabilities(languages=tuple(WORDS))

    def caption(self, images, options=DecodingOptions(), stopwatch=None):
        language = options.language if options.language in WORDS else "en"
        found = super().caption(images, options, stopwatch)
        return [[replace(one, text=WORDS[language], language=language) for one in captions] for captions in found]


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(drawn()))
    (tmp_path / "broken.png").write_bytes(b"no photograph")
    return ["a.png", "broken.png", "b.png"]


def records(paths, first, *others):
    job = Job(Polyglot(), DecodingOptions(language=first), languages=others)
    return [record for batch in job.run(paths) for record in batch]


def test_a_record_has_the_others_beside_the_first(paths):
    one, broken, _ = records(paths, "en", "de-AT", "zh", "de", "fr", "en")
    assert (one["caption"], one["language"]) == ("red", "en")
    assert {tag: other["caption"] for tag, other in one["languages"].items()} == {"de": "Rot", "zh": "红色"}
    assert one["languages"]["de"].keys() == one.keys() - {"path", "model", "languages"}
    assert broken.keys() == {"path", "error"}


def test_with_one_language_there_is_nothing_beside_it(paths):
    for others in ((), ("de",), ("fr",)):
        record = records(paths, "de", *others)[0]
        assert record["caption"] == "Rot" and record["language"] == "de"
        assert "languages" not in record


@pytest.mark.parametrize("name", ["csv", "text", "jsonl"])
def test_a_file_of_lines(paths, name):
    format = FORMATS[name]()
    format.add_languages(("de-AT", "fr", "zh"))
    file = io.BytesIO()
    format.write_file(records(paths, "en", "de-AT", "fr", "zh"), file) if format.takes_file else file.write(
        "".join(format.lines(records(paths, "en", "de-AT", "fr", "zh"))).encode()
    )
    text = file.getvalue().decode()
    if name == "csv":
        one, broken, _ = csv.DictReader(io.StringIO(text))
        assert (one["caption"], one["language"]) == ("red", "en")
        assert [one[f"caption_{tag}"] for tag in ("de-AT", "fr", "zh")] == ["Rot", "", "红色"]
        assert broken["caption_zh"] == broken["language"] == "" and broken["error"]
    elif name == "text":
        assert text.splitlines()[:3] == ["a.png: red", "a.png (de): Rot", "a.png (zh): 红色"]
    else:
        assert json.loads(text.splitlines()[0])["languages"]["zh"]["caption"] == "红色"


def test_a_sidecar_has_a_line_for_each(paths, tmp_path):
    FORMATS["sidecar"]().write(records(paths, "en", "de"))
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "red\nRot\n"


def test_parquet_has_a_column_for_each(paths):
    file = io.BytesIO()
    PARTS["parquet"](records(paths, "en", "de", "fr"), file, ("de", "fr"))
    table = pyarrow.parquet.read_table(pyarrow.BufferReader(file.getvalue()))
    assert table["language"].to_pylist() == ["en", None, "en"]
    assert table["caption_de"].to_pylist() == ["Rot", None, "Rot"]
    assert table["caption_fr"].to_pylist() == [None] * 3


@pytest.mark.parametrize(
    ("given", "wrong"), [("en,German", "language"), ("en_US", "language"), ("de,../x", "language")]
)
def test_what_is_no_tag_is_refused_before_anything_is_loaded(paths, capsys, given, wrong):
    assert main([*paths, "--language", given, *QUICK]) == 2
    assert f"error: {wrong} must be a language tag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("red", 2),
        ("hund", 1),
        ("Hunde", 1),
        ("红色", 2),
        ("色", 2),
        ("狗 红", 1),
        ("色红", 0),
        ('"红色的狗"', 1),
        ("katze", 0),
    ],
)
def test_search_finds_in_every_language(paths, tmp_path, query, found):
    lines = records(paths, "en", "de", "zh")
    lines[0]["languages"]["de"]["caption"] = "Hunde rennen"
    lines[0]["languages"]["zh"]["caption"] = "红色的狗"
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    total, photographs = Collection(file).search(query, 5)[:2]
    assert total == found == len(photographs)
    assert all(photograph.caption == "red" for photograph in photographs)
