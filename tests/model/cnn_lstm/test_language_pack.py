"""Language packs: what they hold, and the captioner that finds some beside its checkpoint."""

import dataclasses
import json

import pytest
import torch
from PIL import Image

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import CnnLstmCaptioner
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder
from model.cnn_lstm.language_pack import LanguagePack, encoder_digest, read_header
from model.cnn_lstm.packing import packed
from model.cnn_lstm.speech import packs_for
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.errors import CheckpointMismatch, VocabularyRefused
from model.languages import LANGUAGES
from model.settings import ModelSettings

WORDS = ["ein", "hund", "im", "gras"]


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint.load(ModelSettings().checkpoint)


@pytest.fixture(scope="module")
def pack(checkpoint):
    """Of a decoder that says "ein hund im gras" of everything."""
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *WORDS], LANGUAGES["de"], {"hund": "Hund", "gras": "Gras"})
    config = dataclasses.replace(checkpoint.decoder_config, vocabulary_size=len(vocabulary), embedding=8, hidden=16)
    decoder = Decoder(config).requires_grad_(False)
    for parameter in decoder.parameters():
        parameter.zero_()
    for token, following in [(1, 4), (4, 5), (5, 6), (6, 7), (7, 2)]:
        decoder.embedding.weight[token, token] = 1
        decoder.last_word.weight[token, token] = 1
        decoder.output.weight[following, token] = 20
    return LanguagePack(decoder.state_dict(), config, vocabulary, encoder_digest(checkpoint.encoder), {"epochs": 1})


@pytest.fixture(scope="module")
def packs(pack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("languages")
    pack.save(folder / "deutsch.pth")
    return folder


@pytest.fixture(scope="module")
def captioner(packs):
    return CnnLstmCaptioner.load(ModelSettings(languages=packs), torch.device("cpu"))


def test_a_pack_comes_back_as_it_was(pack, packs):
    again = LanguagePack.load(packs / "deutsch.pth")
    assert (again.language, again.vocabulary.words, again.vocabulary.written) == (
        "de", pack.vocabulary.words, pack.vocabulary.written
    )  # fmt: skip
    assert again.encoder_digest == pack.encoder_digest
    assert again.training == {"epochs": 1}
    assert all(torch.equal(again.decoder[name], tensor) for name, tensor in pack.decoder.items())


def test_a_photograph_is_described_in_the_language_that_is_asked_for(captioner):
    assert captioner.capabilities.languages == ("en", "de")
    images = [Image.new("RGB", (64, 48), "green")]
    [[found]] = captioner.caption(images, DecodingOptions(language="de-AT"))
    assert (found.text, found.language) == ("ein Hund im Gras", "de")
    assert [word.text for word in found.words] == ["ein", "Hund", "im", "Gras"]
    [[english]] = captioner.caption(images)
    [[instead]] = captioner.caption(images, DecodingOptions(language="cs"))
    assert english.language == instead.language == "en"
    assert instead.text == english.text != found.text


def test_the_encoder_looks_once_at_photographs_that_are_described_in_several_languages(captioner, monkeypatch):
    looks = []
    encoder = captioner.encoder
    monkeypatch.setattr(captioner, "encoder", lambda pixels: looks.append(len(pixels)) or encoder(pixels))
    images = [Image.new("RGB", (64, 48), colour) for colour in ("green", "red")]
    english, german, again = (captioner.caption(images, DecodingOptions(language=tag)) for tag in ("en", "de", "en"))
    assert looks == [2]
    assert english == again != german
    captioner.caption([images[1].copy()], DecodingOptions())
    captioner.caption(images[1:], DecodingOptions())
    assert looks == [2, 1, 1]
    del images
    assert captioner._last_features is None


def test_what_belongs_to_another_encoder_or_is_damaged_is_left_out(pack, packs, tmp_path, caplog):
    good = (packs / "deutsch.pth").read_bytes()
    (tmp_path / "good.pth").write_bytes(good)
    dataclasses.replace(pack, encoder_digest="0" * 64).save(tmp_path / "another.pth")
    (tmp_path / "damaged.pth").write_bytes(good[:-100])
    (tmp_path / "text.pth").write_text("no pack")
    assert packs_for(pack.encoder_digest, tmp_path) == {"de": tmp_path / "good.pth"}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert all(name in text for name, text in zip(("another", "damaged", "text"), told, strict=True))
    assert packs_for(pack.encoder_digest, tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"vocabulary": {"words": ["a"]}}, VocabularyRefused),
        ({"decoder_config": {"size": 3}}, CheckpointMismatch),
        ({"heads": None}, CheckpointMismatch),
    ],
)
def test_a_pack_that_lacks_a_part_is_refused(pack, tmp_path, change, error):
    content = {
        "decoder": {}, "decoder_config": {"vocabulary_size": 8}, "vocabulary": pack.vocabulary.state(),
        "training": {}, "scores": {}, "heads": pack.heads.state(),
    }  # fmt: skip
    data = packed(content | change)
    header = json.dumps({"language": "de", "encoder": "", "size": len(data)})
    (tmp_path / "bad.pth").write_bytes(f"image-captioner language pack 1\n{header}\n".encode() + data)
    with pytest.raises(error):
        LanguagePack.load(tmp_path / "bad.pth")


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", "{" * 2000, '{"language": "de", "encoder": "", "size": -1}'])
def test_a_header_that_is_none_is_refused(tmp_path, line):
    (tmp_path / "bad.pth").write_text(f"image-captioner language pack 1\n{line}\n")
    with pytest.raises(CheckpointMismatch):
        read_header(tmp_path / "bad.pth")


def test_words_and_weights_must_agree(pack):
    fewer = dataclasses.replace(pack, vocabulary=Vocabulary([*SPECIAL_TOKENS, "ein"], LANGUAGES["de"]))
    with pytest.raises(CheckpointMismatch, match="more words than its weights"):
        fewer.network()
    with pytest.raises(CheckpointMismatch, match="do not fit"):
        dataclasses.replace(pack, decoder={}).network()
