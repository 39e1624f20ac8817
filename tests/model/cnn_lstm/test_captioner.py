"""The shipped checkpoint on photographs that it has never seen."""

import math
from dataclasses import replace

import pytest
import torch
from PIL import ImageOps

from model.captioner import Capabilities, Caption, DecodingOptions, Stopwatch, Word
from model.cnn_lstm.captioner import CnnLstmCaptioner, Network, choose_dtype
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder, Preprocessing
from model.cnn_lstm.runtime import multiplies_bfloat16
from model.cnn_lstm.second_opinion import SecondOpinion
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS
from model.errors import BackendUnavailable
from model.languages import tokenise
from model.registry import load_captioner
from tests.conftest import ROOT, SHIPPED
from tests.pictures import drawn, photograph

NAMES = ("chelsea", "astronaut", "coffee", "rocket")


@pytest.fixture(scope="module")
def photographs():
    return [photograph(name) for name in NAMES]


def test_the_shipped_files_are_a_pair_of_the_promised_size():
    assert (ROOT / "best_model.pth").stat().st_size <= 80_000_000
    checkpoint = Checkpoint.load(ROOT / "best_model.pth")
    config = checkpoint.decoder_config
    assert (config.embedding, config.hidden) == (256, 512)
    assert 3100 <= config.vocabulary_size <= 3200
    assert checkpoint.training["settings"]["data"] == ["flickr8k", "coco"]  # it tells how it came about
    for stage in checkpoint.training["stages"]:
        assert stage["epochs"] >= len(stage["history"]) > 1
    assert checkpoint.heads.detector


def test_a_person_is_recognised(captioner, photographs):
    [caption] = captioner.caption([photographs[1]], DecodingOptions(beam_size=5))
    assert {"woman", "man", "person", "girl", "boy", "people"} & set(tokenise(caption[0].text)), caption[0].text


def test_numbers_are_chosen_by_the_processor():
    best = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    assert choose_dtype("auto", torch.device("cpu")) == best
    assert choose_dtype("fp32", torch.device("cpu")) == torch.float32
    assert choose_dtype("auto", torch.device("cuda")) == torch.float32
    for dtype, device in (("fp16", "cpu"), ("int8", "cpu"), ("bf16", "cuda")):
        with pytest.raises(BackendUnavailable, match="choose"):
            choose_dtype(dtype, torch.device(device))


def test_the_numbers_hardly_change_what_is_said(captioner, photographs):
    """The processor's best against single precision: what either says first is among the other's captions and about
    as likely there. A narrow beam may lose it, and two that are as likely as each other may change places.
    """
    single, options = load_captioner(replace(SHIPPED, dtype="fp32")), DecodingOptions(beam_size=10, num_captions=10)
    for found, expected in zip(
        captioner.caption(photographs, options), single.caption(photographs, options), strict=True
    ):
        assert found[0].low_confidence == expected[0].low_confidence
        for ours, theirs in ((found, expected), (expected, found)):
            likely = {caption.text: caption.log_probability for caption in theirs}
            assert ours[0].log_probability == pytest.approx(likely[ours[0].text], abs=0.1)


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_a_batch_is_captioned_like_each_alone(captioner, photographs, method):
    options = DecodingOptions(method=method, num_captions=1 if method == "greedy" else 3, seed=4)
    together = captioner.caption(photographs, options)
    for image, captions in zip(photographs, together, strict=True):
        [alone] = captioner.caption([image], options)
        assert [caption.text for caption in alone] == [caption.text for caption in captions]
        scores = [caption.log_probability for caption in alone]
        assert scores == pytest.approx([caption.log_probability for caption in captions], abs=1e-2)


def test_captions_are_ranked_different_and_clean(captioner, photographs):
    options = DecodingOptions(beam_size=5, num_captions=5, rerank=False, guidance=0)
    for captions in captioner.caption(photographs, options):
        assert len({caption.text for caption in captions}) == 5
        normalised = [c.log_probability / (len(c.words) + 1) ** options.length_penalty for c in captions]
        assert normalised == sorted(normalised, reverse=True)
        for caption in captions:
            assert not any(token in caption.text for token in SPECIAL_TOKENS)
            assert 1 <= len(caption.words) <= options.max_words


def test_a_second_look_ranks_the_same_sentences_anew(captioner, photographs):
    plain = DecodingOptions(num_captions=10, guidance=0, rerank=False)
    before, after = (captioner.caption(photographs, replace(plain, rerank=rerank)) for rerank in (False, True))
    for theirs, ours in zip(before, after, strict=True):
        likely = {caption.text: caption.log_probability for caption in theirs}
        assert {caption.text: caption.log_probability for caption in ours} == pytest.approx(likely)
    assert any(theirs[0].text != ours[0].text for theirs, ours in zip(before, after, strict=True))
    guided = captioner.caption(photographs, replace(plain, guidance=1.0))
    assert [own[0].text for own in guided] != [own[0].text for own in before]


def test_photographs_have_tags_and_words_their_support(captioner, photographs):
    assert captioner.capabilities.second_look
    cat, astronaut, *_ = captioner.caption(photographs)
    for [caption] in (cat, astronaut):
        assert 1 <= len(caption.tags) <= 10
        found = [tag.probability for tag in caption.tags]
        assert found == sorted(found, reverse=True) and 0.3 <= found[-1] <= found[0] <= 1
        named = {tag.name: tag.probability for tag in caption.tags}
        for word in caption.words:
            assert word.support is None or word.support == pytest.approx(named.get(word.text, word.support))
        assert caption.words[0].text == "a" and caption.words[0].support is None
    assert "cat" in {tag.name for tag in cat[0].tags}, cat[0].tags


def test_another_captioners_sentences_are_ranked_by_it(captioner, photographs):
    """A captioner that prefers nonsense to what this one says of the photographs."""

    class Other:
        name, digest, device = "other", "0" * 64, torch.device("cpu")
        capabilities = Capabilities()

        def caption(self, images, options, stopwatch):
            assert options.num_captions == options.beam_size
            said = [caption.text.capitalize() + "." for [caption] in captioner.caption(images)]
            return [[self.own("Two trains on a beach.", 0.9), self.own(text, 0.3)] for text in said]

        def own(self, text, probability):
            words = tuple(Word(word, probability) for word in text.split())
            return Caption(text, math.log(probability) * (len(words) + 1), words)

    judge = SecondOpinion(Other(), captioner)
    assert judge.capabilities.second_look and (judge.name, judge.digest) == ("other", "0" * 64)
    stopwatch = Stopwatch()
    found = judge.caption(photographs, DecodingOptions(), stopwatch)
    assert [len(own) for own in found] == [1] * len(photographs) and "second look" in stopwatch.milliseconds
    assert all(own[0].text != "Two trains on a beach." and own[0].tags for own in found)
    plain = judge.caption(photographs, DecodingOptions(rerank=False, num_captions=10))
    assert all(own[0].text == "Two trains on a beach." for own in plain)
    network = CnnLstmCaptioner(
        Network(Encoder("1x1"), Decoder(DecoderConfig(len(captioner.vocabulary), embedding=8, hidden=16))),
        captioner.vocabulary,
        Preprocessing(64),
        torch.device("cpu"),
        "",
    )
    with pytest.raises(BackendUnavailable, match="n-gram head"):
        SecondOpinion(Other(), network)


def test_words_carry_probability_and_attention(captioner, photographs):
    [[caption]] = captioner.caption(photographs[:1], DecodingOptions(attention=True))
    assert " ".join(word.text for word in caption.words).replace(" 's", "'s") == caption.text
    assert caption.log_probability <= sum(math.log(word.probability) for word in caption.words) + 1e-6
    for word in caption.words:
        assert 0 < word.probability <= 1
        assert len(word.attention) == 9 and all(len(row) == 9 for row in word.attention)
        assert sum(map(sum, word.attention)) == pytest.approx(1, abs=1e-4)
    [[without]] = captioner.caption(photographs[:1])
    assert all(word.attention is None for word in without.words)


def test_attention_differs_between_words(captioner, photographs):
    [[caption]] = captioner.caption(photographs[1:2], DecodingOptions(attention=True))
    assert len({word.attention for word in caption.words}) == len(caption.words)


def probabilities(caption):
    return [word.probability for word in caption.words]


def test_with_test_time_augmentation_it_is_the_same_from_both_sides(captioner, photographs):
    tta = load_captioner(replace(SHIPPED, dtype="fp32", tta=True))
    assert tta.digest == captioner.digest
    options = DecodingOptions(attention=True)
    straight = tta.caption(photographs, options)
    mirrored = tta.caption([ImageOps.mirror(photograph) for photograph in photographs], options)
    usual = captioner.caption(photographs, options)
    for [caption], [other], [seen_once] in zip(straight, mirrored, usual, strict=True):
        assert caption.text == other.text
        assert caption.log_probability == pytest.approx(other.log_probability, abs=0.01)
        assert probabilities(caption) != pytest.approx(probabilities(seen_once), abs=0.01)
        for word, its_other in zip(caption.words, other.words, strict=True):
            assert len(word.attention) == 9 and sum(map(sum, word.attention)) == pytest.approx(1, abs=1e-4)
            turned = [weight for row in its_other.attention for weight in reversed(row)]
            assert [weight for row in word.attention for weight in row] == pytest.approx(turned, abs=0.01)


def test_a_smaller_image_is_the_same_photograph_in_fewer_cells(captioner, photographs):
    fast = load_captioner(replace(SHIPPED, dtype="fp32", image_size=224))
    assert fast.preprocessing.image_size == 224 and captioner.preprocessing.image_size == 288
    [[caption]] = fast.caption(photographs[:1], DecodingOptions(attention=True))
    [[larger]] = captioner.caption(photographs[:1])
    assert caption.log_probability != pytest.approx(larger.log_probability, abs=1e-3)
    for word in caption.words:
        assert len(word.attention) == 7 and sum(map(sum, word.attention)) == pytest.approx(1, abs=1e-4)


def test_max_words_is_kept(captioner, photographs):
    for method in ("beam", "greedy", "sample"):
        for captions in captioner.caption(photographs, DecodingOptions(method=method, max_words=3)):
            assert len(captions[0].words) <= 3


def test_tiny_and_lopsided_pictures(captioner):
    for captions in captioner.caption([drawn(2, 2), drawn(1024, 2)]):
        assert captions[0].text


def test_no_photographs_no_captions(captioner):
    assert captioner.caption([]) == []


def test_stages_are_timed(captioner, photographs):
    stopwatch = Stopwatch()
    captioner.caption(photographs[:1], stopwatch=stopwatch)
    assert set(stopwatch.milliseconds) == {"encoder", "decoder"}
    assert all(value > 0 for value in stopwatch.milliseconds.values())
