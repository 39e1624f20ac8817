"""The back ends over transformers at toy size: real configurations, tokenizers trained here, saved as the published
ones are and loaded by the very same path; and five photographs for them to learn by heart.
"""

import json
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    GPT2Tokenizer,
    OPTConfig,
    T5Config,
    T5Tokenizer,
)

from tests.pictures import photograph

LEARNT = {
    "chelsea": "a cat with green eyes looks at the camera",
    "astronaut": "a woman in an orange spacesuit smiles",
    "coffee": "a cup of coffee on a wooden table",
    "rocket": "a rocket stands on its launch pad at night",
    "camera": "a man's camera stands on a tripod",
}


def photographs() -> list[Image.Image]:
    return [photograph(name).convert("RGB") for name in LEARNT]


def word_piece() -> BertTokenizer:
    """Of a hundred pieces: most words are several tokens."""
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer()
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trained.train_from_iterator(LEARNT.values(), trainers.WordPieceTrainer(vocab_size=100, special_tokens=special))
    return BertTokenizer(vocab=trained.get_vocab())


def byte_pairs() -> GPT2Tokenizer:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    trained.train_from_iterator(("\n " + text for text in LEARNT.values()), trainer)
    parts = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split()) for pair in parts["merges"]]
    return GPT2Tokenizer(
        vocab=parts["vocab"], merges=merges, bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="<pad>"
    )


def sentence_piece() -> T5Tokenizer:
    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>", max_piece_length=5)
    trained.train_from_iterator(LEARNT.values(), trainer)
    pieces = [tuple(piece) for piece in json.loads(trained.to_str())["model"]["vocab"]]
    return T5Tokenizer(vocab=pieces, extra_ids=2)


def save_blip(folder: Path) -> Path:
    """A random BLIP of 16 patches."""
    torch.manual_seed(0)
    tokenizer = word_piece()
    size = len(tokenizer)
    config = BlipConfig(
        text_config=BlipTextConfig(
            vocab_size=size + 2,  # the published ones have two tokens more than their tokenizer: [DEC] and [ENC]
            hidden_size=48, encoder_hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=256, bos_token_id=size, sep_token_id=tokenizer.sep_token_id, pad_token_id=0,
            initializer_range=0.1,
        ).to_dict(),
        vision_config=BlipVisionConfig(
            hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            image_size=32, patch_size=8,
        ).to_dict(),
    )  # fmt: skip
    return _save(folder, BlipForConditionalGeneration(config), tokenizer)


def save_blip2(folder: Path, language: str) -> Path:
    """A random BLIP-2 over a toy `opt` or `t5`."""
    torch.manual_seed(0)
    if language == "opt":
        tokenizer = byte_pairs()
        text = OPTConfig(
            vocab_size=len(tokenizer) + 2, hidden_size=48, word_embed_proj_dim=48, ffn_dim=96, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=256, dropout=0.0, init_std=0.1, pad_token_id=1,
            bos_token_id=2, eos_token_id=tokenizer("\n", add_special_tokens=False).input_ids[0],
        )  # fmt: skip
    else:
        tokenizer = sentence_piece()
        text = T5Config(
            vocab_size=len(tokenizer) + 3, d_model=48, d_kv=12, d_ff=96, num_layers=2, num_heads=4, dropout_rate=0.0,
            bos_token_id=1, eos_token_id=1, pad_token_id=0, decoder_start_token_id=0,
        )  # fmt: skip
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            image_size=32, patch_size=8,
        ).to_dict(),
        qformer_config=Blip2QFormerConfig(
            vocab_size=8, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            encoder_hidden_size=48, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        ).to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=4,
        image_token_index=len(tokenizer),
    )  # fmt: skip
    return _save(folder, Blip2ForConditionalGeneration(config), tokenizer)


def _save(folder: Path, model, tokenizer) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_dataset(folder: Path, captions: dict[str, str] = LEARNT) -> Path:
    """The five photographs with captions, all in the training split, in Karpathy's layout."""
    (folder / "images").mkdir(parents=True)
    images = []
    for name, caption in captions.items():
        photograph(name).convert("RGB").resize((64, 64)).save(folder / "images" / f"{name}.png")
        images.append({"filename": f"{name}.png", "split": "train", "sentences": [{"raw": caption}]})
    (folder / "dataset_five.json").write_text(json.dumps({"images": images}))
    return folder
