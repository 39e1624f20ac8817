"""BLIP-2 at toy size over both kinds of language model, which learns five photographs by heart."""

import math

import pytest
import torch
from transformers import AutoImageProcessor, AutoTokenizer, Blip2ForConditionalGeneration

from model.captioner import DecodingOptions
from model.errors import BackendUnavailable
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.tiny_backends import LEARNT, photographs, save_blip2

pytestmark = pytest.mark.usefixtures("one_thread")
GREEDY = DecodingOptions(method="greedy")


def load(folder, **settings):
    return load_captioner(ModelSettings(backend="blip2", weights=str(folder), device="cpu", **settings))


def learn(folder, language, steps=250):
    """By the library's own forward pass and loss; gives the last loss."""
    torch.manual_seed(0)
    model = Blip2ForConditionalGeneration.from_pretrained(folder).train()
    processor, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    text, queries = model.config.text_config, [model.config.image_token_index] * model.config.num_query_tokens
    pixels = processor(images=photographs(), return_tensors="pt").pixel_values
    # OPT goes on from the start with a space, as byte pairs have it, and ends with a line.
    captions = [
        [
            *tokenizer(" " + caption if language == "opt" else caption, add_special_tokens=False).input_ids,
            text.eos_token_id,
        ]
        for caption in LEARNT.values()
    ]
    length = max(map(len, captions))
    labels = torch.tensor([caption + [-100] * (length - len(caption)) for caption in captions])
    if language == "opt":
        start = torch.tensor([[*queries, text.bos_token_id]] * len(captions))
        read = torch.cat([start, labels.clamp_min(0)], dim=1)
        labels = torch.cat([torch.full_like(start, -100), labels], dim=1)
    else:
        read = torch.tensor([[*queries, text.eos_token_id]] * len(captions))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for _ in range(steps):
        loss = model(pixel_values=pixels, input_ids=read, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.save_pretrained(folder)
    return float(loss.detach())


@pytest.fixture(scope="module", params=["opt", "t5"])
def learnt(request, tmp_path_factory):
    folder = save_blip2(tmp_path_factory.mktemp("blip2"), request.param)
    loss = learn(folder, request.param)
    return folder, loss, load(folder), request.param


def test_five_photographs_by_heart(learnt):
    _, loss, blip2, _ = learnt
    assert loss < 0.02
    for options in (GREEDY, DecodingOptions()):
        captions = blip2.caption(photographs(), options)
        assert [ranked[0].text for ranked in captions] == list(LEARNT.values())
        assert all(ranked[0].mean_probability > 0.9 for ranked in captions)


def test_greedy_is_a_beam_of_one(learnt):
    greedily, beams = (learnt[2].caption(photographs(), o) for o in (GREEDY, DecodingOptions(beam_size=1)))
    for greedy, beam in zip(greedily, beams, strict=True):
        assert greedy[0].text == beam[0].text
        assert greedy[0].log_probability == pytest.approx(beam[0].log_probability, abs=1e-4)


def test_a_batch_is_captioned_as_one_by_one(learnt):
    blip2 = learnt[2]
    for options in (DecodingOptions(num_captions=3), DecodingOptions(method="sample", temperature=3.0, seed=5)):
        together = blip2.caption(photographs(), options)
        alone = [blip2.caption([image], options)[0] for image in photographs()]
        assert [[c.text for c in ranked] for ranked in together] == [[c.text for c in ranked] for ranked in alone]
        for many, one in zip(together, alone, strict=True):
            assert [c.log_probability for c in many] == pytest.approx([c.log_probability for c in one], abs=1e-3)


def test_the_librarys_own_beam_search_finds_the_same(learnt):
    blip2 = learnt[2]
    options = DecodingOptions(beam_size=3, num_captions=1, no_repeat_ngram_size=0)
    pixels = blip2.processor(images=photographs(), return_tensors="pt").pixel_values
    theirs = blip2.model.generate(
        pixels,
        num_beams=3,
        early_stopping="never",
        max_new_tokens=81,
        eos_token_id=blip2.words.tokens.end,
        suppress_tokens=list(blip2.words.tokens.forbidden),
        renormalize_logits=True,
    )
    ours = [ranked[0].text for ranked in blip2.caption(photographs(), options)]
    assert ours == [blip2.words.text(tokens) for tokens in theirs.tolist()]


def test_words_and_no_attention(learnt):
    options = DecodingOptions(attention=True, num_captions=2)
    for ranked in learnt[2].caption(photographs(), options):
        for caption in ranked:
            assert " ".join(word.text for word in caption.words) == caption.text
            assert all(word.attention is None for word in caption.words)
            assert math.exp(caption.log_probability) <= math.prod(word.probability for word in caption.words) <= 1


def test_max_words(learnt):
    for [caption] in learnt[2].caption(photographs(), DecodingOptions(max_words=3)):
        assert 1 <= len(caption.text.split()) <= 3


def test_a_prompt_is_read_as_the_library_reads_it(learnt):
    folder, _, _, language = learnt
    prompt = " a man's camera" if language == "opt" else "a camera on a table"
    prompted = load(folder, prompt=prompt)
    asked = prompted.words.tokenizer(prompt, add_special_tokens=False).input_ids
    text, queries = prompted.model.config.text_config, [prompted.model.config.image_token_index] * 4
    tokens = [*queries, text.bos_token_id, *asked] if language == "opt" else [*queries, *asked, text.eos_token_id]
    theirs = prompted.model.generate(
        prompted.processor(images=photographs(), return_tensors="pt").pixel_values,
        input_ids=torch.tensor([tokens] * len(LEARNT)),
        attention_mask=torch.ones(len(LEARNT), len(tokens), dtype=torch.long),
        do_sample=False,
        max_new_tokens=40,
        eos_token_id=prompted.words.tokens.end,
        suppress_tokens=list(prompted.words.tokens.forbidden),
    )
    if language == "opt":
        theirs = theirs[:, len(tokens) :]  # what was read comes first
    options = DecodingOptions(method="greedy", no_repeat_ngram_size=0, max_words=10)
    ours = [ranked[0].text for ranked in prompted.caption(photographs(), options)]
    for mine, tokens in zip(ours, theirs.tolist(), strict=True):
        assert prompted.words.text(tokens).startswith(mine) and mine


def test_eight_bits_say_the_same(learnt):
    eight = load(learnt[0], dtype="int8")
    assert eight.model.is_loaded_in_8bit
    captions = [ranked[0].text for ranked in eight.caption(photographs(), GREEDY)]
    assert sum(a == b for a, b in zip(captions, LEARNT.values(), strict=True)) >= 4


def test_what_cannot_be_had(learnt):
    folder, _, _, language = learnt
    if language == "t5":
        with pytest.raises(BackendUnavailable, match="overflows in fp16"):
            load(folder, dtype="fp16")
    else:
        assert load(folder, dtype="fp16").model.language_model.dtype == torch.float16
