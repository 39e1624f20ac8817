from dataclasses import replace

import pytest
import torch

from model.cnn_lstm.captioner import CnnLstmCaptioner, Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder, Preprocessing
from model.cnn_lstm.heads import Heads, weights_digest
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.errors import CheckpointMismatch
from model.files import file_digest
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary([*SPECIAL_TOKENS, "a", "dog", "runs"])


@pytest.fixture(scope="module")
def checkpoint(vocabulary):
    torch.manual_seed(0)
    config = DecoderConfig(len(vocabulary), embedding=8, hidden=16)
    return Checkpoint(
        encoder=Encoder("1x1").state_dict(),
        decoder=Decoder(config).state_dict(),
        stride="1x1",
        decoder_config=config,
        preprocessing=Preprocessing(image_size=64),
        vocabulary_digest=vocabulary.digest,
        training={"settings": {"seed": 1}, "history": []},
        scores={"CIDEr": 0.5},
        heads=Heads(OutOfDistributionDetector.fit(torch.randn(50, 2049), torch.randn(50, 2049))),
    )


@pytest.fixture
def saved(checkpoint, vocabulary, tmp_path):
    checkpoint.save(tmp_path / "best_model.pth")
    vocabulary.save(tmp_path / "vocab.pkl")
    return tmp_path


def test_what_is_saved_is_loaded(checkpoint, saved):
    loaded = Checkpoint.load(saved / "best_model.pth")
    for name in ("stride", "decoder_config", "preprocessing", "vocabulary_digest", "training", "scores"):
        assert getattr(loaded, name) == getattr(checkpoint, name)
    for ours, theirs in ((checkpoint.encoder, loaded.encoder), (checkpoint.decoder, loaded.decoder)):
        assert ours.keys() == theirs.keys()
        assert all(torch.allclose(ours[name].float(), theirs[name].float(), atol=1e-2) for name in ours)
    assert vars(loaded.heads.detector).keys() == vars(checkpoint.heads.detector).keys()
    assert loaded.heads.detector.threshold == checkpoint.heads.detector.threshold
    assert torch.equal(loaded.heads.detector.directions, checkpoint.heads.detector.directions)
    assert not list(saved.glob("*.tmp"))


def test_half_precision_in_the_file_single_in_memory(saved):
    raw = torch.load(saved / "best_model.pth", weights_only=True)
    assert raw["decoder"]["output.weight"].dtype is torch.float16
    assert Checkpoint.load(saved / "best_model.pth").decoder["output.weight"].dtype is torch.float32


def test_loaded_as_a_captioner(saved):
    captioner = CnnLstmCaptioner.from_files(saved / "best_model.pth", saved / "vocab.pkl", torch.device("cpu"))
    assert captioner.preprocessing.image_size == 64
    assert captioner.digest == file_digest(saved / "best_model.pth")


def test_another_vocabulary_is_refused(saved):
    Vocabulary([*SPECIAL_TOKENS, "a", "runs", "dog"]).save(saved / "vocab.pkl")
    with pytest.raises(CheckpointMismatch, match="same size, other words or another order"):
        CnnLstmCaptioner.from_files(saved / "best_model.pth", saved / "vocab.pkl", torch.device("cpu"))


def test_a_vocabulary_of_another_size_is_refused(saved):
    Vocabulary([*SPECIAL_TOKENS, "a"]).save(saved / "vocab.pkl")
    with pytest.raises(CheckpointMismatch, match="trained with 7 words, the vocabulary has 5"):
        CnnLstmCaptioner.from_files(saved / "best_model.pth", saved / "vocab.pkl", torch.device("cpu"))


def test_weights_that_disagree_with_the_configuration_are_refused(checkpoint):
    other = replace(checkpoint, decoder_config=replace(checkpoint.decoder_config, hidden=32))
    with pytest.raises(CheckpointMismatch, match="do not fit its configuration"):
        Network.from_checkpoint(other)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Checkpoint.load(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken zip"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "best_model.pth").write_bytes(content)
    with pytest.raises(CheckpointMismatch, match=r"best_model\.pth"):
        Checkpoint.load(tmp_path / "best_model.pth")


def test_a_truncated_checkpoint_is_refused(saved):
    data = (saved / "best_model.pth").read_bytes()
    (saved / "best_model.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointMismatch):
        Checkpoint.load(saved / "best_model.pth")


@pytest.mark.parametrize("content", [{"format": "other"}, [1], {"format": "image-captioner checkpoint 1"}])
def test_a_torch_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "best_model.pth")
    with pytest.raises(CheckpointMismatch):
        Checkpoint.load(tmp_path / "best_model.pth")


class Exploit:
    def __reduce__(self):
        return (print, ("executed",))


def test_code_in_a_checkpoint_is_not_executed(tmp_path, capsys):
    torch.save({"format": "image-captioner checkpoint 1", "encoder": Exploit()}, tmp_path / "best_model.pth")
    with pytest.raises(CheckpointMismatch, match="more than tensors and plain data"):
        Checkpoint.load(tmp_path / "best_model.pth")
    assert "executed" not in capsys.readouterr().out


def test_the_packed_shipped_checkpoint_is_the_same_in_at_most_64_megabytes(tmp_path):
    shipped, packed = Checkpoint.load(ROOT / "best_model.pth"), tmp_path / "packed.pth"
    shipped.save_packed(packed)
    assert packed.stat().st_size <= 64_000_000
    again = Checkpoint.load(packed)
    for ours, theirs in ((shipped.encoder, again.encoder), (shipped.decoder, again.decoder)):
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.vocabulary_digest == shipped.vocabulary_digest and again.training == shipped.training


@pytest.mark.parametrize("keep", [40, 60, 100_000])
def test_a_damaged_packed_checkpoint_is_refused(saved, tmp_path, keep):
    packed = tmp_path / "packed.pth"
    Checkpoint.load(saved / "best_model.pth").save_packed(packed)
    packed.write_bytes(packed.read_bytes()[:keep])
    with pytest.raises(CheckpointMismatch, match="is not a readable checkpoint"):
        Checkpoint.load(packed)


def test_heads_of_other_weights_are_refused(checkpoint, tmp_path):
    stranger = replace(checkpoint, heads=replace(checkpoint.heads, weights="0" * 64))
    stranger.save(tmp_path / "stranger.pth")
    with pytest.raises(CheckpointMismatch, match=r"belongs to other weights; python -m training\.heads"):
        Checkpoint.load(tmp_path / "stranger.pth")
    assert Checkpoint.load(tmp_path / "stranger.pth", with_heads=False).heads == Heads()
    own = weights_digest(checkpoint.encoder, checkpoint.decoder)
    replace(checkpoint, heads=replace(checkpoint.heads, weights=own)).save(tmp_path / "own.pth")
    assert Checkpoint.load(tmp_path / "own.pth").heads.weights == own
