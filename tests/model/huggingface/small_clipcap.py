"""A ClipCap of a few thousand weights, with a real tokenizer, saved as the large ones are."""

from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
)

from model.huggingface.clipcap.captioner import FILE, ImageEncoder, load_gpt2
from model.huggingface.clipcap.checkpoint import ClipCapCheckpoint, Source, vocabulary_digest, weights_digest
from model.huggingface.clipcap.mapping import MappingConfig, new_mapping

CAPTIONS = (
    "A man with a camera on a tripod, in a wide field",
    "a ginger cat looks past the photographer",
    "An astronaut in an orange suit smiles",
    "a cup of coffee stands on a table",
    "the rocket waits for its launch at dawn",
)
EMBEDDING, WIDTH = 24, 32


def save_small_clip(folder: Path, embedding: int = EMBEDDING) -> Path:
    torch.manual_seed(1)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=embedding,
        initializer_factor=5.0,  # so that random weights tell photographs apart
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


def save_small_gpt2(folder: Path, captions: tuple[str, ...] = CAPTIONS) -> Path:
    """GPT-2 of random weights and a byte-level BPE trained on the captions."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(captions, vocab_size=340, special_tokens=["<|endoftext|>"], show_progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save_model(str(folder))
    tokenizer = GPT2Tokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    end = tokenizer.eos_token_id
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=WIDTH,
        n_layer=2,
        n_head=2,
        n_positions=256,
        bos_token_id=end,
        eos_token_id=end,
        resid_pdrop=0.0,  # so that a loss of nearly nothing can be reached
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def teach_captions(folder: Path, captions: tuple[str, ...] = CAPTIONS, steps: int = 200) -> Path:
    """GPT-2 in the folder learns to go on from ten tokens of a caption, in any order, with that caption: as a language
    model that knows its language does, which can so be told by a prefix what to say.
    """
    gpt, tokenizer = load_gpt2(folder)
    gpt.requires_grad_(True).train()
    texts = [[*tokenizer(caption).input_ids, tokenizer.eos_token_id] for caption in captions]
    longest = max(map(len, texts))
    padded = torch.tensor([text + [-100] * (longest - len(text)) for text in texts])
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=5e-3)
    for _ in range(steps):
        told = torch.stack([torch.tensor(text)[torch.randint(len(text), (10,))] for text in texts])
        labels = torch.cat([torch.full_like(told, -100), padded], dim=1)
        optimizer.zero_grad()
        gpt(input_ids=torch.cat([told, padded.clamp_min(0)], dim=1), labels=labels).loss.backward()
        optimizer.step()
    gpt.save_pretrained(folder)
    return folder


def save_small_clipcap(folder: Path, kind: str = "mlp") -> Path:
    """What CAPTION_WEIGHTS names: a checkpoint whose mapping is random and whose GPT-2, beside it, knows CAPTIONS."""
    clip, gpt2 = save_small_clip(folder / "clip"), teach_captions(save_small_gpt2(folder / "gpt2"))
    gpt, tokenizer = load_gpt2(gpt2)
    torch.manual_seed(3)
    mapping = MappingConfig(kind, EMBEDDING, WIDTH)
    weights = {f"clip_project.{name}": tensor for name, tensor in new_mapping(mapping).state_dict().items()}
    ClipCapCheckpoint(
        mapping,
        weights,
        Source("small clip", digest=weights_digest(ImageEncoder(clip).clip)),
        Source("small gpt2", digest=weights_digest(gpt)),
        vocabulary_digest(tokenizer.get_vocab()),
    ).save(folder / FILE)
    return folder
