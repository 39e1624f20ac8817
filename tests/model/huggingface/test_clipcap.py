"""ClipCap with a few thousand weights, loaded as the large ones are; and the published names at their real sizes."""

import dataclasses
import json
import math
import re
import shutil

import pytest
import torch
from safetensors import safe_open
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from model.captioner import DecodingOptions
from model.decoding import decode
from model.errors import BackendUnavailable, CheckpointMismatch
from model.huggingface.base import cached_step
from model.huggingface.clipcap.captioner import FILE, ClipCapNetwork
from model.huggingface.clipcap.checkpoint import ClipCapCheckpoint, published_mapping
from model.huggingface.clipcap.mapping import MappingConfig, new_mapping
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import ROOT
from tests.model.huggingface.small_clipcap import (
    CAPTIONS,
    EMBEDDING,
    WIDTH,
    save_small_clip,
    save_small_clipcap,
    save_small_gpt2,
)
from tests.pictures import photograph

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_small_clipcap(tmp_path_factory.mktemp("clipcap"))


def load(path, **settings):
    return load_captioner(ModelSettings("clipcap", weights=str(path), device="cpu", **settings))


@pytest.fixture(scope="module")
def clipcap(folder):
    return load(folder)


@pytest.fixture(scope="module")
def images():
    return [photograph(name).convert("RGB") for name in ("chelsea", "astronaut", "coffee")]


@pytest.fixture
def copy(folder, tmp_path):
    """A folder of its own, to be spoilt."""
    return shutil.copytree(folder, tmp_path / "copy")


def published_parameters(*headings):
    """Names and shapes from the tables of docs/clipcap.md under these headings."""
    found = {}
    text = (ROOT / "docs" / "clipcap.md").read_text()
    for heading in headings:
        title, rows = re.search(
            rf"\n\| ({re.escape(heading)}[^|]*)\| shape \|\n\|---\|---\|\n((?:\|.*\n)+)", text
        ).groups()
        layers = re.search(r"N from 0 to (\d+)", title)
        for name, shape in re.findall(r"\| `(.*)` \| ([\d, ]*)\|", rows):
            size = tuple(map(int, shape.split(","))) if shape.strip() else ()
            for layer in range(int(layers.group(1)) + 1) if ".N." in name else (0,):
                found[name.replace(".N.", f".{layer}.")] = size
    return found


@pytest.mark.parametrize(
    ("heading", "config"),
    [
        ("MLP mapping", MappingConfig("mlp", 512, 768, prefix_length=10)),
        ("transformer mapping", MappingConfig("transformer", 640, 768, prefix_length=40, clip_length=40, layers=8)),
    ],
)
def test_the_published_parameters_are_ours_one_to_one(heading, config):
    with torch.device("meta"):  # shapes without the memory
        network = ClipCapNetwork(config, GPT2LMHeadModel(GPT2Config()))
    published = published_parameters(heading, "GPT-2, N")
    assert published == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert published_mapping(network.state_dict()) == config


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_a_published_file_is_read(clipcap, folder, images, tmp_path, kind):
    """Written as the published ones are: a plain state dict of both networks with the old buffers."""
    torch.manual_seed(4)
    network = ClipCapNetwork(MappingConfig(kind, EMBEDDING, WIDTH, 12, 6, 3), clipcap.network.gpt)
    buffers = published_parameters("GPT-2's buffers")
    state = network.state_dict() | {
        name: torch.ones(shape) for name, shape in buffers.items() if ".h.0." in name or ".h.1." in name
    }
    torch.save(state, tmp_path / "coco_weights.pt")
    for part in ("clip", "gpt2"):
        (tmp_path / part).symlink_to(folder / part)
    loaded = load(tmp_path / "coco_weights.pt")
    assert loaded.network.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.network.state_dict().items())
    embeddings = clipcap.encode(images)
    expected = nn.functional.normalize(embeddings, dim=1) if kind == "transformer" else embeddings
    assert torch.allclose(loaded.encode(images), expected)
    assert all(captions[0].text for captions in loaded.caption(images))


def test_a_published_caption_ends_at_its_full_stop(clipcap, images):
    """The full stop's probability is the end's as well, and it is never said."""
    stop = clipcap.words.tokenizer.convert_tokens_to_ids(".")
    own, _ = clipcap.begin(clipcap.encode(images), False)[1].prompted
    published = type(clipcap)(clipcap.encoder, clipcap.network, _words(clipcap), clipcap.device, "", full_stop=stop)
    scores, _ = published.begin(published.encode(images), False)[1].prompted
    end = clipcap.words.tokens.end
    assert torch.allclose(scores[:, end].exp(), own[:, end].exp() + own[:, stop].exp())
    assert stop in published.words.tokens.forbidden


def _words(captioner):
    from model.huggingface.base import SubWords

    size = captioner.network.gpt.config.vocab_size
    return SubWords(captioner.words.tokenizer, size, captioner.words.tokens.end)


def test_a_layer_of_the_mapping_is_a_transformer_layer():
    """The same as PyTorch's, which normalises first, given the same weights; the heads lie as they do there."""
    torch.manual_seed(5)
    ours = new_mapping(MappingConfig("transformer", 4, 32)).transformer["layers"][0]
    theirs = nn.TransformerEncoderLayer(32, 8, 64, 0.0, batch_first=True, norm_first=True).eval()
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([ours.attn.to_queries.weight, ours.attn.to_keys_values.weight]),
            "self_attn.in_proj_bias": torch.zeros(96),
            "self_attn.out_proj.weight": ours.attn.project.weight,
            "self_attn.out_proj.bias": ours.attn.project.bias,
        }
        | {f"linear{n}.{part}": getattr(ours.mlp[f"fc{n}"], part) for n in (1, 2) for part in ("weight", "bias")}
        | {f"norm{n}.{part}": getattr(getattr(ours, f"norm{n}"), part) for n in (1, 2) for part in ("weight", "bias")}
    )
    sequence = torch.randn(2, 7, 32)
    assert torch.allclose(ours(sequence), theirs(sequence), atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_a_mapping_gives_a_prefix(kind):
    mapping = new_mapping(MappingConfig(kind, 12, 32, prefix_length=7, clip_length=5, layers=2))
    assert mapping(torch.randn(3, 12)).shape == (3, 7, 32)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="8 heads"):
        MappingConfig("transformer", 12, 36)
    with pytest.raises(ValueError, match="there is no mapping 'linear'"):
        MappingConfig("linear", 12, 32)


def test_teacher_forcing_and_steps_agree(clipcap, images):
    """What training computes at once is what decoding computes word by word over the cache."""
    tokens = torch.tensor([clipcap.words.tokenizer(CAPTIONS[0]).input_ids] * 3)
    embeddings = clipcap.encode(images)
    together = clipcap.network(embeddings, tokens).log_softmax(dim=2)
    forward, state = clipcap.begin(embeddings, False)
    step = cached_step(forward)
    for place in range(tokens.shape[1]):
        scores, state, _ = step(tokens[:, place - 1], state)
        assert torch.allclose(scores, together[:, place], atol=1e-4)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_the_librarys_beam_search_finds_the_same(clipcap, images, length_penalty):
    """Where both apply: without n-grams, of which the library counts tokens, and with captions that end in time."""
    embeddings = clipcap.encode(images)
    options = DecodingOptions(
        beam_size=4, num_captions=2, max_words=50, length_penalty=length_penalty, no_repeat_ngram_size=0
    )
    forward, state = clipcap.begin(embeddings, False)
    tokens = dataclasses.replace(clipcap.words.tokens, continues=None, forbidden=())
    ours = decode(cached_step(forward), state, len(images), tokens, options)
    gpt = clipcap.network.gpt
    theirs = gpt.generate(
        inputs_embeds=clipcap.network.clip_project(embeddings),
        attention_mask=torch.ones(len(images), 10),
        num_beams=4,
        num_return_sequences=2,
        max_new_tokens=51,
        min_new_tokens=1,
        length_penalty=length_penalty,
        early_stopping="never",
        do_sample=False,
        pad_token_id=tokens.end,
        return_dict_in_generate=True,
        output_scores=True,
    )
    expected = [path[: path.index(tokens.end, 1) + 1] for path in theirs.sequences.tolist()]
    found = [hypothesis for ranked in ours for hypothesis in ranked]
    assert [list(hypothesis.tokens) for hypothesis in found] == expected
    scores = [h.log_probability / len(h.tokens) ** length_penalty for h in found]
    assert scores == pytest.approx(theirs.sequences_scores.tolist(), abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(method="greedy"),
        DecodingOptions(beam_size=4, num_captions=3),
        DecodingOptions(method="sample", num_captions=3, temperature=2.0, seed=7, max_words=8),
    ],
    ids=lambda options: options.method,
)
def test_a_batch_is_captioned_as_one_by_one(clipcap, images, options):
    together = clipcap.caption(images, options)
    alone = [clipcap.caption([image], options)[0] for image in images]
    assert [[c.text for c in ranked] for ranked in together] == [[c.text for c in ranked] for ranked in alone]
    scores = [[c.log_probability for c in ranked] for ranked in alone]
    assert [[c.log_probability for c in ranked] for ranked in together] == [
        pytest.approx(own, abs=1e-3) for own in scores
    ]


def test_words_have_probabilities_and_no_attention(clipcap, images):
    caption = clipcap.caption(images[:1], DecodingOptions(attention=True))[0][0]
    assert caption.text == " ".join(word.text for word in caption.words)
    assert all(word.attention is None and 0 < word.probability <= 1 for word in caption.words)
    assert math.prod(word.probability for word in caption.words) >= math.exp(caption.log_probability)


def test_no_more_words_than_asked_for(clipcap, images):
    ranked = clipcap.caption(
        images, DecodingOptions(method="sample", num_captions=4, temperature=3.0, seed=1, max_words=3)
    )
    assert all(1 <= len(caption.text.split()) <= 3 for captions in ranked for caption in captions)


def test_half_precision(folder, images):
    captioner = load(folder, dtype="bf16")
    assert {p.dtype for part in (captioner.encoder, captioner.network) for p in part.parameters()} == {torch.bfloat16}
    assert all(captions[0].text for captions in captioner.caption(images))


def test_the_header_describes_the_file(folder):
    with safe_open(folder / FILE, "pt") as file:
        metadata = file.metadata()
    header = json.loads(metadata["header"])
    assert metadata["format"] == "image-captioner clipcap checkpoint 1"
    assert header["mapping"]["kind"] == "mlp" and header["clip"]["name"] == "small clip"
    assert set(header) | {"weights"} == {field.name for field in dataclasses.fields(ClipCapCheckpoint)}


def test_other_networks_than_it_was_trained_with_are_refused(copy, tmp_path):
    """Of the same sizes, so that only digests tell."""
    clip = copy / "clip"
    weights = (clip / "model.safetensors").read_bytes()
    (clip / "model.safetensors").write_bytes(weights[:-4] + b"\x00\x00\x80\x3f")
    with pytest.raises(CheckpointMismatch, match="trained with the CLIP"):
        load(copy)
    (clip / "model.safetensors").write_bytes(weights)
    save_small_gpt2(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", copy / "gpt2")
    with pytest.raises(CheckpointMismatch, match="trained with the GPT-2"):
        load(copy)
    save_small_gpt2(tmp_path / "loud", tuple(caption.upper() for caption in CAPTIONS))
    shutil.copy(tmp_path / "loud" / "tokenizer.json", copy / "gpt2")
    with pytest.raises(CheckpointMismatch, match="trained with the vocabulary"):
        load(copy)


def test_a_clip_of_another_size_is_refused(copy):
    save_small_clip(copy / "clip", embedding=16)
    with pytest.raises(CheckpointMismatch, match=r"image embeddings of 24 numbers, CLIP in .* gives 16"):
        load(copy)


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


def test_files_that_are_no_checkpoint_are_refused(copy, tmp_path, capsys):
    for name, content in (("a.safetensors", b"nothing"), ("b.pt", b"nothing")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointMismatch):
            load(tmp_path / name)
    torch.save({"clip_project.model.0.weight": Malicious()}, tmp_path / "c.pt")
    with pytest.raises(CheckpointMismatch, match="holds more than tensors"):
        load(tmp_path / "c.pt")
    assert "executed" not in capsys.readouterr().out
    torch.save({"gpt.transformer.wte.weight": torch.ones(2, 2)}, tmp_path / "d.pt")
    with pytest.raises(CheckpointMismatch, match="not a ClipCap checkpoint"):
        load(tmp_path / "d.pt")
    with pytest.raises(CheckpointMismatch, match="not a checkpoint of the format"):
        load(copy / "gpt2" / "model.safetensors")
    with pytest.raises(FileNotFoundError):
        load(copy / "clip")


def test_what_is_missing_is_said(copy):
    with pytest.raises(BackendUnavailable, match="needs weights"):
        load("")
    with pytest.raises(BackendUnavailable, match="int8 is for blip2"):
        load(copy, dtype="int8")
    shutil.rmtree(copy / "clip")
    with pytest.raises(BackendUnavailable, match="trained with a folder 'small clip': put it, or a link to it, at"):
        load(copy)
