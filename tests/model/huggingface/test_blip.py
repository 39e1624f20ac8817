"""BLIP at toy size, somewhat trained: decoding means the same as for every other back end, and as for the library."""

import math
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.captioner import DecodingOptions
from model.errors import BackendUnavailable, CheckpointMismatch
from model.files import file_digest
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.tiny_backends import LEARNT, photographs, save_blip, write_dataset
from training.finetune import Config, FineTuning

pytestmark = pytest.mark.usefixtures("one_thread")
BEAM, GREEDY = DecodingOptions(beam_size=3, num_captions=3), DecodingOptions(method="greedy")
SAMPLE = DecodingOptions(method="sample", num_captions=3, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Trained until it says something, not until it is sure of it."""
    place = tmp_path_factory.mktemp("blip")
    data, start, output = write_dataset(place / "data"), save_blip(place / "start"), place / "learnt"
    config = Config(
        data=data, output=output, weights=str(start), epochs=25, batch_size=5, learning_rate=3e-3, device="cpu"
    )
    FineTuning(config).run()
    return output


@pytest.fixture(scope="module")
def blip(folder):
    return load(folder)


def load(folder, **settings):
    return load_captioner(ModelSettings(backend="blip", weights=str(folder), device="cpu", **settings))


def plain(captions):
    return [[(caption.text, round(caption.log_probability, 3)) for caption in ranked] for ranked in captions]


@pytest.mark.parametrize("options", [BEAM, GREEDY, SAMPLE], ids=["beam", "greedy", "sample"])
def test_a_batch_is_captioned_as_one_by_one(blip, options):
    together = blip.caption(photographs(), options)
    alone = [blip.caption([image], options)[0] for image in photographs()]
    assert plain(together) == plain(alone)
    assert [len(ranked) for ranked in together] == [options.num_captions] * len(LEARNT)


@pytest.mark.parametrize(("length_penalty", "at_least"), [(0.5, 0), (0.8, 3), (1.0, 3)])
def test_the_librarys_own_beam_search_finds_the_same(blip, length_penalty, at_least):
    """Or something less likely: of the candidates that end it takes only those among the first `beam_size`. Where
    short captions are favoured, that may be so for all.
    """
    options = DecodingOptions(beam_size=4, length_penalty=length_penalty, no_repeat_ngram_size=0, max_words=50)
    ours = [ranked[0] for ranked in blip.caption(photographs(), options)]
    theirs = blip.model.generate(
        blip.processor(images=photographs(), return_tensors="pt").pixel_values,
        num_beams=4,
        length_penalty=length_penalty,
        early_stopping="never",
        max_new_tokens=201,
        suppress_tokens=list(blip.words.tokens.forbidden),
        renormalize_logits=True,
        return_dict_in_generate=True,
        output_scores=True,
    )
    # A score is the log-probability over the tokens and the end, divided by their number to the power.
    lengths = (theirs.sequences[:, 1:] == blip.words.tokens.end).int().argmax(dim=1) + 1
    likely = (theirs.sequences_scores * lengths**length_penalty).tolist()
    same = 0
    for caption, tokens, length, log_probability in zip(ours, theirs.sequences, lengths, likely, strict=True):
        if caption.text == blip.words.text(tokens.tolist()):
            assert caption.log_probability == pytest.approx(log_probability, abs=1e-3)
            same += 1
        elif length > 1:  # an empty one, which ours never is
            own = len(blip.words.tokenizer(caption.text, add_special_tokens=False).input_ids) + 1
            assert caption.log_probability / own**length_penalty > log_probability / length**length_penalty
    assert same >= at_least


def test_samples_repeat_with_a_seed_and_differ_without(blip):
    assert plain(blip.caption(photographs(), SAMPLE)) == plain(blip.caption(photographs(), SAMPLE))
    other = DecodingOptions(method="sample", num_captions=3, seed=8)
    assert plain(blip.caption(photographs(), SAMPLE)) != plain(blip.caption(photographs(), other))


def test_more_beams_than_rows_at_once(blip):
    options = DecodingOptions(beam_size=10, num_captions=10)
    many = blip.caption(photographs() * 2, options)
    assert plain(many[:5]) == plain(many[5:]) and len(many[0]) == 10
    scores = [caption.log_probability for caption in many[0]]
    assert len({caption.text for caption in many[0]}) >= 8 and all(math.isfinite(score) for score in scores)


def test_no_photographs(blip):
    assert blip.caption([]) == []


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
@pytest.mark.parametrize("words", [1, 4])
def test_max_words_counts_words_and_breaks_none(blip, method, words):
    options = DecodingOptions(method=method, max_words=words, temperature=3.0, top_p=1.0, seed=1)
    for [caption] in blip.caption(photographs(), options):
        assert 1 <= len(caption.text.split()) <= words
        assert len(caption.words) == len(caption.text.split())


def test_a_run_of_words_does_not_come_twice(blip, monkeypatch):
    """A word is its tokens here: "ma" and "##n" are another word than "man"."""
    found, describe = [], blip.words.caption
    monkeypatch.setattr(blip.words, "caption", lambda *given: found.append(given[0].tokens[:-1]) or describe(*given))
    options = DecodingOptions(method="sample", num_captions=10, temperature=1.5, no_repeat_ngram_size=1, seed=3)
    blip.caption(photographs(), options)
    assert len(found) == 10 * len(LEARNT) and max(map(len, found)) > 5
    for tokens in found:
        words = " ".join(blip.words.tokenizer.convert_ids_to_tokens(tokens)).replace(" ##", "##").split()
        assert len(words) == len(set(words)), words


def test_words_are_made_of_tokens(blip):
    for ranked in blip.caption(photographs(), BEAM):
        for caption in ranked:
            assert " ".join(word.text for word in caption.words) == caption.text
            assert "##" not in caption.text
            whole = math.exp(caption.log_probability)
            assert whole <= math.prod(word.probability for word in caption.words) <= 1
            assert not caption.low_confidence
    [[greedy]] = blip.caption(photographs()[-1:], GREEDY)
    tokens = blip.words.tokenizer(greedy.text, add_special_tokens=False).input_ids
    assert len(tokens) > len(greedy.words)


def test_attention_is_a_square_grid_over_the_patches(blip):
    asked = DecodingOptions(num_captions=2, attention=True)
    for ranked in blip.caption(photographs(), asked):
        for word in (word for caption in ranked for word in caption.words):
            assert [len(row) for row in word.attention] == [4] * 4
            assert sum(map(sum, word.attention)) == pytest.approx(1, abs=1e-5)
            assert all(weight >= 0 for row in word.attention for weight in row)
    assert all(word.attention is None for word in blip.caption(photographs(), BEAM)[0][0].words)
    assert plain(blip.caption(photographs(), asked)) == plain(
        blip.caption(photographs(), DecodingOptions(num_captions=2))
    )


def test_a_caption_goes_on_from_a_prompt(folder, blip):
    prompted = load(folder, prompt="a cat with green")
    [[caption]] = prompted.caption(photographs()[:1], GREEDY)
    assert caption.text.startswith("eyes")
    patches = prompted.encode(photographs()[:1])
    own = prompted.words.tokenizer(caption.words[0].text, add_special_tokens=False).input_ids
    tokens = torch.tensor([[*prompted.prompt, *own]])
    logits = blip.model.text_decoder(tokens, encoder_hidden_states=patches).logits[0]
    allowed = logits.clone()
    allowed[:, list(prompted.words.tokens.forbidden)] = -torch.inf
    scores = allowed.log_softmax(dim=1)
    word = sum(
        float(scores[place, tokens[0, place + 1]]) for place in range(len(prompted.prompt) - 1, tokens.shape[1] - 1)
    )
    assert caption.words[0].probability == pytest.approx(math.exp(word), rel=1e-3)


def test_bfloat16_says_the_same_of_what_it_is_sure_of(folder, blip):
    half = load(folder, dtype="bf16")
    assert half.model.dtype == torch.bfloat16
    ours, theirs = ([ranked[0].text for ranked in c.caption(photographs(), GREEDY)] for c in (blip, half))
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= 4


def test_the_digest_is_that_of_the_weights(folder, blip):
    assert blip.digest == file_digest(folder / "model.safetensors")


def copied(folder, place):
    return shutil.copytree(folder, place / "copy", ignore=shutil.ignore_patterns("finetuning.pt"))


def test_weights_as_a_torch_file(folder, blip, tmp_path):
    copy = copied(folder, tmp_path)
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    assert plain(load(copy).caption(photographs(), GREEDY)) == plain(blip.caption(photographs(), GREEDY))


class Executed:
    def __reduce__(self):
        return print, ("executed",)


def test_weights_never_execute(folder, tmp_path, capfd):
    copy = copied(folder, tmp_path)
    torch.save({"anything": Executed()}, copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointMismatch, match="does not hold a BlipForConditionalGeneration"):
        load(copy)
    assert "executed" not in capfd.readouterr().out


def test_weights_that_lack_or_are_damaged(folder, tmp_path):
    copy = copied(folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    name = "vision_model.post_layernorm.weight"
    save_file(
        {key: value for key, value in weights.items() if key != name}, copy / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(CheckpointMismatch, match=name):
        load(copy)
    (copy / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointMismatch, match=r"does not hold|is not what its name says"):
        load(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="holds no weights"):
        load(copy)


def test_what_cannot_be_had(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(BackendUnavailable, match="int8 is for blip2"):
        load(folder, dtype="int8")
