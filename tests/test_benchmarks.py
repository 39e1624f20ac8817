"""The benchmarks run, and what they count is right. No time is asserted."""

import asyncio
import json
from dataclasses import replace

import pytest
import torch
import tyro

from benchmarks import client, comparison, doors, latency, load, memory, report, soak, style, training, variants
from benchmarks.asking import DOORS
from benchmarks.measure import MatrixProduct, multiply_adds
from benchmarks.photographs import SIZE, photographs
from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import Encoder
from model.images import decode_image
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import ROOT, wait_until
from tests.training.drawn_dataset import write
from training.config import Config, with_file


@pytest.fixture(scope="module")
def images():
    return [decode_image(upload) for upload in photographs(6)]


def test_the_photographs_are_different_and_always_the_same(images):
    assert photographs(6) == photographs(7)[:6] and len(set(photographs(70))) == 70
    assert all(image.size == SIZE for image in images)


def test_the_floor_is_counted_at_the_convolutions():
    """He et al. 2015, table 1: 3.8 G multiply-adds, with the stride in the 1x1; torchvision's has it in the 3x3."""
    assert multiply_adds(Encoder("1x1"), 224) == pytest.approx(3.8e9, rel=0.02)
    assert multiply_adds(Encoder("3x3"), 224) == pytest.approx(4.1e9, rel=0.02)
    product = MatrixProduct(torch.float32)
    product.sample()
    assert product.rate > 0


def test_latency_is_told_by_stage(captioner):
    record = latency.measure(captioner, torch.float32, photographs(3), DecodingOptions())
    for stage in (*latency.STAGES, "total"):
        assert 0 < record[stage]["p50"] <= record[stage]["p95"]
    assert record["total"]["p50"] >= max(record[stage]["p50"] for stage in latency.STAGES)
    assert record["encoder_over_floor"] == pytest.approx(record["encoder"]["p50"] / record["floor_ms"])


def test_the_plain_loop_says_the_same(images):
    """So that the comparison compares the same work; in single precision, as the loop has it."""
    captioner = load_captioner(
        ModelSettings(checkpoint=ROOT / "best_model.pth", vocabulary=ROOT / "vocab.pkl", device="cpu", dtype="fp32")
    )
    checkpoint = Checkpoint.load(ROOT / "best_model.pth")
    network = Network.from_checkpoint(checkpoint).eval()
    plain = DecodingOptions(beam_size=3, rerank=False, guidance=0)
    for options in (plain, replace(plain, beam_size=2, max_words=6, no_repeat_ngram_size=1)):
        for image, [expected] in zip(images, captioner.caption(images, options), strict=True):
            with torch.inference_mode():
                tokens = comparison.plain_loop(network, network.encoder(checkpoint.preprocessing([image])), options)
            assert captioner.vocabulary.decode(tokens) == [word.text for word in expected.words]


def test_a_variant_has_all_figures(captioner, images):
    found = variants.measure(captioner, images[:2], (3,))
    assert 0 < found["p50"] <= found["p95"] and found["images_per_second"]["3"] > 0
    assert {"eager fp32", "packed fp32", "packed bf16"} < set(variants.VARIANTS)
    assert all(variant.bfloat16 == ("bf16" in name) for name, variant in variants.VARIANTS.items())


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_asked_as_it_wants_to_be(server, door):
    outcome = asyncio.run(client.send(client.Config(server.url, requests=2, photographs=2, door=door)))
    assert outcome.statuses == {"200": 2} and outcome.rate > 0


def test_the_doors_as_a_table():
    row = {"per_second": 40.0, "of_predict": 0.987, "p50": 20.0, "p95": 30.0, "others": 0}
    assert "| /api/chat | 40 | 99% | 20 | 30 | 0 |" in doors.describe(
        {"clients": 1, "rounds": 1, "doors": {"/api/chat": row}}
    )


def test_load_over_a_socket(server):
    row = load.measure(server.url, clients=3, seconds=1)
    assert row["clients"] == 3 and set(row["statuses"]) == {"200"} and row["per_second"] > 0
    assert 0 < row["p50"] <= row["p95"]


def test_memory_is_sampled(server):
    record = memory.measure(server, memory.Config(requests=20, clients=2))
    assert [sample["statuses"] for sample in record["samples"]] == [{"200": 2}] * 10
    assert record["megabytes_after_load"] > 100


def test_soak_with_a_dead_captioner_loses_and_mixes_up_nothing(server, tmp_path):
    record = soak.measure(server, soak.Config(minutes=0.1, clients=8, photographs=8))
    assert record["wrong"] == record["unanswered"] == 0 and record["replaced"]
    assert record["answered"] == record["statuses"]["200"] >= 8
    wait_until(lambda: server.health()["status"] != "starting")


def test_a_wrong_answer_is_found(server, tmp_path):
    """The soak's check can fail: here the expected answers stand in another order."""
    expected = client.alone(server.url, 6)
    assert len({answer["caption"] for answer in expected}) > 1
    file = tmp_path / "expected.json"
    for answers, wrong in ((expected, False), (expected[1:] + expected[:1], True)):
        file.write_text(json.dumps(answers))
        config = client.Config(server.url, clients=2, requests=6, photographs=6, expected=file)
        outcome = client.Clients(config).outcome()
        assert outcome.statuses == {"200": 6} and (outcome.wrong > 0) == wrong


def test_records_become_tables_and_a_plot(tmp_path):
    times = {stage: {"p50": 1.0, "p95": 2.0} for stage in (*latency.STAGES, "total")}
    floor = {"encoder_multiply_adds": 4e9, "product_rate": 8e10, "floor_ms": 50.0}
    record = {"dtypes": {"fp32": times | floor | {"encoder_over_floor": 1.25, "total_over_floor": 1.75}}}
    text = report.fill_in("a\n<!-- benchmarks latency -->\nold\n<!-- /benchmarks -->\nb", {"latency": record})
    assert "1.0 / 2.0" in text and "4.00 G multiply-adds" in text and "old" not in text
    assert text.startswith("a\n") and text.endswith("\nb")
    assert report.fill_in(text, {}) == text
    report.draw({"latency": record}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_every_part_has_a_place_in_a_document():
    text = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    assert all(f"<!-- benchmarks {part} -->" in text for part in report.DESCRIBE)


def test_an_epochs_time_is_told_by_part(tmp_path):
    """Of the recipe's last stage, in which all parts are but the teacher."""
    flags = {"init": ROOT / "best_model.pth", "cache": tmp_path, "image-size": 64, "stored-size": 64, "photographs": 4}
    only = ["--distil.epochs", "0", "--fine-tune.epochs", "0", "--self-critical.reward-references", "1"]
    only += ["--data", str(write(tmp_path / "data", "release", 12))]
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    words = with_file(["--config", str(ROOT / "configs" / "best.yaml"), *words, *only])
    record = {"stages": training.measure(tyro.cli(Config, args=words))}
    before, after = (record["stages"]["self_critical"][way] for way in ("before", "after"))
    everywhere = {"augmentation", "encoder", "decoder", "reward", "rest"}
    assert everywhere | {"decoding"} == before["seconds"].keys() and everywhere == after["seconds"].keys()
    assert all(seconds > 0 for way in (before, after) for seconds in way["seconds"].values())
    assert before["photographs"] == after["photographs"] == 4 and after["decoding_once"] > 0
    lines = training.describe(record).splitlines()
    assert lines[2].startswith("| self_critical, before |") and lines[3].startswith("| self_critical, after |")


def test_who_is_described_how_is_counted_before_and_after():
    told = [
        ("a man runs", ["a man runs", "a guy runs", "a dog"]),
        ("a man runs", ["a woman runs", "her run", "a man"]),
        ("a dog runs", ['a man in a "girls" shirt']),
        ("a cowboy hat", ["a person", "a child", "a dog"]),
    ]
    groups = style.by_group([{"caption": caption, "references": references} for caption, references in told])
    assert {group: row["photographs"] for group, row in groups.items()} == {
        "male": 2, "female": 1, "both": 0, "neither": 1, "nobody": 0,
    }  # fmt: skip
    assert groups["male"]["before"] == {"male": 1, "female": 0, "both": 0, "neither": 0, "nobody": 1}
    assert groups["female"]["before"]["male"] == 1 and groups["female"]["after"]["neither"] == 1
    assert groups["neither"]["before"]["nobody"] == groups["neither"]["after"]["nobody"] == 1
