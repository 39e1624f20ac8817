"""Trains ClipCap on photographs with captions: python -m training.clipcap --data DIR

The mapping network learns, and with --fine-tune-gpt2 GPT-2 with it; CLIP stays as it is, so its image embeddings are
computed once. The epoch with the best CIDEr on the dev split is kept. Results go to --output:

    clipcap.safetensors   what CAPTION_BACKEND=clipcap loads, with CAPTION_WEIGHTS naming the folder
    clip, gpt2            links to the folders that --clip and --gpt2 name, if they do
    record.json           the settings, and one record an epoch
    last.pth              the state after the last finished epoch: the same command goes on from it
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor
from tqdm import tqdm

from model.captioner import DecodingOptions
from model.decoding import decode
from model.huggingface.base import SubWords, cached_step
from model.huggingface.clipcap.captioner import FILE, ClipCapCaptioner, ClipCapNetwork, ImageEncoder, load_gpt2
from model.huggingface.clipcap.checkpoint import (
    CLIP,
    GPT2,
    ClipCapCheckpoint,
    Source,
    vocabulary_digest,
    weights_digest,
)
from model.huggingface.clipcap.mapping import Kind, MappingConfig
from model.huggingface.weights import fetch
from model.languages import tokenise
from model.registry import choose_device
from training.data.clipcap import IGNORED, Embeddings, TrainingData, compute_embeddings
from training.data.records import Record, name_dataset, name_lists, read_dataset
from training.evaluation.metrics import score
from training.running.failures import LossNotFinite
from training.running.results import Results
from training.running.settings import deciding
from training.trainer import Trainer, deterministic_on, run_training, train_and_dev

_DEV_OPTIONS = DecodingOptions(method="beam", beam_size=3)
_DECODED_AT_ONCE = 32
_NOT_BEGUN = "interrupted before an epoch was over; the same command begins again"


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in the Flickr8k release's, Kaggle's or Karpathy's layout."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where --data holds several; may be given several times."""
    output: Path = Path("runs/clipcap")
    """Where results go. If it holds an unfinished run with the same settings, that run goes on."""
    cache: Path = Path("runs/embeddings")
    """Where image embeddings are kept: 2 KB for each photograph."""
    clip: str = CLIP.name
    """A CLIP of transformers (ViT): a folder, or a name on the Hugging Face Hub."""
    clip_revision: str = ""
    """Commit, tag or branch of a name on the Hub; the default name has a pinned commit."""
    gpt2: str = GPT2.name
    """A GPT-2: a folder, or a name on the Hub."""
    gpt2_revision: str = ""
    mapping: Kind = "mlp"
    """mlp is published with GPT-2 fine-tuned, transformer with GPT-2 frozen."""
    fine_tune_gpt2: bool = False
    """GPT-2 learns too; the checkpoint then holds its weights."""
    prefix_length: int = 10
    """Token embeddings that take the photograph's place."""
    clip_length: int = 10
    """Positions over which the transformer mapping spreads an image embedding."""
    layers: int = 8
    """Of the transformer mapping."""
    epochs: int = 10
    batch_size: int = 40
    """Captions."""
    learning_rate: float = 2e-5
    """Of AdamW at the end of the warm-up; from there it falls to nothing along a line."""
    warmup_steps: int = 1000
    """Batches; published with 5000 on COCO."""
    patience: int = 5
    """Training ends after this many epochs without a better CIDEr on the dev split."""
    seed: int = 1
    device: str = "cpu"
    """cpu, cuda, or auto: cuda where there is one."""
    mixed_precision: bool = False
    """bfloat16 where it is safe."""

    def settings(self) -> dict[str, Any]:
        """What decides the result, but for data and networks, which are told by their content."""
        places = ("data", "captions", "output", "cache", "device")
        return deciding(self, (*places, "clip", "clip_revision", "gpt2", "gpt2_revision"))


@torch.inference_mode()
def best_captions(captioner: ClipCapCaptioner, embeddings: Tensor, options: DecodingOptions) -> list[str]:
    """Of each image embedding (photographs, size)."""
    captioner.network.eval()
    texts = []
    for part in embeddings.split(_DECODED_AT_ONCE):
        forward, state = captioner.begin(part.to(captioner.device), with_attention=False)
        words = captioner.words
        found = decode(cached_step(forward), state, len(part), words.tokens, options, captioner.device)
        texts += [words.caption(ranked[0], with_attention=False).text for ranked in found]
    return texts


class ClipCapTrainer(Trainer):
    """In one stage; of the weights only those that learn are kept."""

    data: TrainingData
    dev: Embeddings
    captioner: ClipCapCaptioner

    def __init__(self, config: Config) -> None:
        self.config = config
        results = Results(config.output, best=FILE, tensorboard=False)
        super().__init__(results, {"training": config.epochs}, config.patience)
        self.device = choose_device(config.device)
        deterministic_on(self.device)
        records = read_dataset(config.data, config.captions)
        results.log(name_lists(records))
        self.dataset_size = len(records)
        self.train_records, self.dev_records = train_and_dev(records, config.data)
        config.output.mkdir(parents=True, exist_ok=True)
        clip = self._source("clip", config.clip, config.clip_revision)
        gpt2 = self._source("gpt2", config.gpt2, config.gpt2_revision)
        self.encoder = ImageEncoder(clip[0]).to(self.device)
        gpt, self.tokenizer = load_gpt2(gpt2[0])
        self.clip = replace(clip[1], digest=weights_digest(self.encoder.clip))
        self.gpt2 = replace(gpt2[1], digest=weights_digest(gpt))
        torch.manual_seed(config.seed)
        sizes = (self.encoder.size, gpt.config.n_embd, config.prefix_length, config.clip_length, config.layers)
        self.mapping = MappingConfig(config.mapping, *sizes)
        self.network = ClipCapNetwork(self.mapping, gpt.requires_grad_(config.fine_tune_gpt2)).to(self.device)
        self.settings = config.settings() | {
            "data": name_dataset(config.data, records),
            "clip": self.clip.digest,
            "gpt2": self.gpt2.digest,
        }
        self.resume()

    def _source(self, name: str, given: str, revision: str) -> tuple[Path, Source]:
        """The files of a network, to which a link is left where they are a folder's. Raises what `fetch` does."""
        folder = fetch(given, revision)
        if not Path(given).is_dir():
            return folder, Source(given, folder.name)  # the Hub's cache has a folder for each commit
        link = self.config.output / name
        if not link.exists():
            link.symlink_to(folder.resolve())
        return folder, Source(folder.resolve().name)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        train, self.dev = (self._embeddings(records) for records in (self.train_records, self.dev_records))
        self.data = TrainingData.of(self.train_records, train, self.tokenizer)
        self.steps_an_epoch = math.ceil(len(self.data.captions) / self.config.batch_size)
        self.optimizer = torch.optim.AdamW([p for p in self.network.parameters() if p.requires_grad])
        words = SubWords(self.tokenizer, self.network.gpt.config.vocab_size, self.tokenizer.eos_token_id)
        self.captioner = ClipCapCaptioner(self.encoder, self.network, words, self.device, digest="")
        yield

    def train_epoch(self, number: int) -> dict[str, Any]:
        """All captions once; the loss is the mean cross-entropy of a token."""
        config, data = self.config, self.data
        seed = config.seed * 100_003 + number
        torch.manual_seed(seed)
        self.network.train()
        self.network.gpt.train(config.fine_tune_gpt2)  # frozen, it is used as it is: without dropout
        began, total, seen = time.monotonic(), 0.0, 0
        step = (number - 1) * self.steps_an_epoch
        with tqdm(total=len(data.captions), unit="caption", desc=f"epoch {number}") as bar:
            for embeddings, tokens in data.batches(config.batch_size, torch.Generator().manual_seed(seed)):
                step += 1
                self.optimizer.param_groups[0]["lr"] = self._learning_rate(step)
                embeddings, tokens = embeddings.to(self.device), tokens.to(self.device)
                with torch.autocast(self.device.type, torch.bfloat16, config.mixed_precision):
                    logits = self.network(embeddings, tokens.clamp_min(0))
                loss = F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten(), ignore_index=IGNORED)
                if not math.isfinite(loss.item()):
                    raise LossNotFinite(f"the loss is {loss.item()} after {bar.n} captions of epoch {number}")
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()
                count = int((tokens != IGNORED).sum())
                total, seen = total + loss.item() * count, seen + count
                bar.update(len(tokens))
                bar.set_postfix(loss=f"{total / seen:.3f}", refresh=False)
        seconds = time.monotonic() - began
        return {"loss": total / seen, "seconds": seconds, "captions_per_second": len(data.captions) / seconds}

    def _embeddings(self, records: Sequence[Record]) -> Embeddings:
        return compute_embeddings(records, self.encoder, self.config.cache, dataset_size=self.dataset_size)

    def _learning_rate(self, step: int) -> float:
        """Rises along a line for `warmup_steps`, then falls along one to nothing at the end of the last epoch."""
        last, warmup = self.config.epochs * self.steps_an_epoch, self.config.warmup_steps
        factor = step / warmup if step < warmup else (last + 1 - step) / max(1, last + 1 - warmup)
        return self.config.learning_rate * factor

    def evaluate(self) -> dict[str, Any]:
        usable = [row for row, record in enumerate(self.dev_records) if record.name not in self.dev.refused]
        texts = best_captions(self.captioner, self.dev.rows[usable], _DEV_OPTIONS)
        references = [[tokenise(text) for text in self.dev_records[row].captions] for row in usable]
        return {"dev": score([tokenise(text) for text in texts], references, rouge=False).corpus}

    def save_best(self, record: Mapping[str, Any]) -> None:
        ClipCapCheckpoint(
            self.mapping,
            self._learnt(),
            self.clip,
            self.gpt2,
            vocabulary_digest(self.tokenizer.get_vocab()),
            training=self.record(),
            scores=record["dev"],
        ).save(self.results.best_file)

    def _learnt(self) -> dict[str, Tensor]:
        """The weights that training changes."""
        names = {name for name, parameter in self.network.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in self.network.state_dict().items() if name in names}

    def weights(self) -> dict[str, Any]:
        return {"weights": self._learnt()}

    def load_weights(self, content: Mapping[str, Any]) -> None:
        self.network.load_state_dict(content["weights"], strict=False)

    def interrupted(self) -> str:
        return super().interrupted() if self.history else _NOT_BEGUN


def main(arguments: Sequence[str] | None = None) -> int:
    return run_training(lambda: ClipCapTrainer(tyro.cli(Config, args=arguments, description=__doc__)), _NOT_BEGUN)


if __name__ == "__main__":
    sys.exit(main())
