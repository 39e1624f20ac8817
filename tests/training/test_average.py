"""One model from several."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder, Preprocessing
from model.cnn_lstm.heads import Heads
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import no_file_larger_than
from tests.pictures import drawn
from tests.training.drawn_dataset import draw
from training.average import average, main, weighted_mean


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.build((text for number in range(20) for text in draw(number)[1]), 1)


@pytest.fixture(scope="module")
def family(vocabulary):
    """Three checkpoints that share the encoder but for its last stage."""
    torch.manual_seed(0)
    encoder = Encoder().state_dict()
    made = []
    for _ in range(3):
        last = {
            name: torch.randn_like(tensor) * 0.01
            for name, tensor in encoder.items()
            if name.startswith("stages.layer4") and name.endswith("conv1.weight")
        }
        config = DecoderConfig(len(vocabulary), embedding=8, hidden=16)
        decoder = Decoder(config).state_dict()
        made.append(Checkpoint(encoder | last, decoder, "3x3", config, Preprocessing(64), vocabulary.digest))
    return made


def test_the_mean_of_every_weight(family):
    found = average(family)
    for name in ("output.weight", "layers.0.weight_hh"):
        assert torch.allclose(found.decoder[name], sum(c.decoder[name] for c in family) / 3, atol=1e-6)
    assert found.encoder.keys() == family[0].encoder.keys()


def test_the_mean_of_two_sets_of_weights():
    ours, theirs = ({"w": torch.full((2,), value), "count": torch.tensor(3)} for value in (1.0, 3.0))
    mean = weighted_mean([ours, theirs], [0.75, 0.25])
    assert mean["w"].tolist() == [1.5, 1.5] and mean["count"] == 3 and ours["w"].tolist() == [1.0, 1.0]


def test_what_is_shared_stays(family):
    found = average(family)
    name = "stages.layer3.0.conv1.weight"
    assert torch.equal(found.encoder[name], family[0].encoder[name])


def test_strangers_are_refused(family):
    with pytest.raises(CheckpointMismatch, match="differ in vocabulary_digest"):
        average([family[0], replace(family[1], vocabulary_digest="0" * 64)])


def test_the_command_writes_a_model_that_captions(family, vocabulary, tmp_path, capsys):
    files = [str(tmp_path / f"{number}.pth") for number in range(3)]
    for file, checkpoint in zip(files, family, strict=True):
        detector = OutOfDistributionDetector.fit(torch.randn(50, 2049), torch.randn(50, 2049))
        replace(checkpoint, heads=Heads(detector)).save(Path(file))
    output, words = tmp_path / "average.pth", tmp_path / "vocab.pkl"
    vocabulary.save(words)
    arguments = [*files, "--output", str(output)]
    assert main(arguments) == 0
    loaded = Checkpoint.load(output)
    assert len(loaded.training["average"]) == 3
    assert loaded.heads == Heads()  # what stood on top of them belongs to other weights
    captioner = load_captioner(ModelSettings(checkpoint=output, vocabulary=words, device="cpu"))
    assert captioner.caption([drawn()])[0][0].text
    assert main([files[0]]) == 2 and "nothing to average" in capsys.readouterr().err
    assert main([files[0], str(tmp_path / "nowhere.pth")]) == 2
    assert "nowhere.pth" in capsys.readouterr().err
    before = output.read_bytes()
    with no_file_larger_than(1_000_000):
        assert main(arguments) == 2
    assert f"error: [Errno 27] File too large: '{output}'" in capsys.readouterr().err
    assert output.read_bytes() == before
