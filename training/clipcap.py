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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor
from tqdm import tqdm

from model.captioner import DecodingOptions
from model.cnn_lstm.vocabulary import tokenise
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
from model.registry import choose_device
from training.data.clipcap import IGNORED, Embeddings, TrainingData, compute_embeddings
from training.data.records import DatasetRefused, Record, in_split, name_dataset, read_dataset
from training.engine import LossNotFinite
from training.evaluation.metrics import score
from training.failures import FAILURES, exit_status
from training.results import Results
from training.settings import check_same_run, deciding

_DEV_OPTIONS = DecodingOptions(method="beam", beam_size=3)
_DECODED_AT_ONCE = 32


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in the Flickr8k release's, Kaggle's or Karpathy's layout."""
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
        left_out = ("data", "output", "cache", "clip", "clip_revision", "gpt2", "gpt2_revision", "device")
        return deciding(self, left_out)


def train_one_epoch(
    network: ClipCapNetwork,
    data: TrainingData,
    optimizer: torch.optim.Optimizer,
    *,
    fine_tune_gpt2: bool,
    batch_size: int,
    seed: int,
    learning_rate_at: Callable[[int], float],
    mixed_precision: bool = False,
    description: str = "training",
) -> float:
    """All captions once; gives the mean cross-entropy of a token.

    All randomness comes from `seed`, so an epoch repeated from the same weights ends with the same weights.
    `learning_rate_at` takes the number of the batch and gives the rate. Raises LossNotFinite.
    """
    device = next(network.parameters()).device
    torch.manual_seed(seed)
    network.train()
    network.gpt.train(fine_tune_gpt2)  # frozen, it is used as it is: without dropout
    total, seen = 0.0, 0
    with tqdm(total=len(data.captions), unit="caption", desc=description) as bar:
        for number, (embeddings, tokens) in enumerate(data.batches(batch_size, torch.Generator().manual_seed(seed))):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(number)
            embeddings, tokens = embeddings.to(device), tokens.to(device)
            with torch.autocast(device.type, torch.bfloat16, mixed_precision):
                logits = network(embeddings, tokens.clamp_min(0))
            loss = F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten(), ignore_index=IGNORED)
            if not math.isfinite(loss.item()):
                raise LossNotFinite(f"the loss is {loss.item()} after {bar.n} captions of {description}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            count = int((tokens != IGNORED).sum())
            total, seen = total + loss.item() * count, seen + count
            bar.update(len(tokens))
            bar.set_postfix(loss=f"{total / seen:.3f}", refresh=False)
    return total / seen


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


class Run:
    """One training from start to end; `state` and the learnt weights are all that survives a kill."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.results = Results(config.output)
        self.device = choose_device(config.device)
        # Sums whose order varies between threads would make a resumed run differ in the last bits.
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        records = read_dataset(config.data)
        self.dataset_size = len(records)
        self.train_records, self.dev_records = in_split(records, "train"), in_split(records, "dev")
        if not self.train_records or not self.dev_records:
            raise DatasetRefused(f"{config.data} has no photographs to train on or none to choose by (dev)")
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
        self.state: dict[str, Any] = {"best": -math.inf, "since_best": 0, "history": []}
        self.settings = config.settings() | {
            "data": name_dataset(config.data, records),
            "clip": self.clip.digest,
            "gpt2": self.gpt2.digest,
        }
        self._optimizer_state: dict[str, Any] | None = None
        self._resume()

    def _source(self, name: str, given: str, revision: str) -> tuple[Path, Source]:
        """The files of a network, to which a link is left where they are a folder's. Raises what `fetch` does."""
        folder = fetch(given, revision)
        if not Path(given).is_dir():
            return folder, Source(given, folder.name)  # the Hub's cache has a folder for each commit
        link = self.config.output / name
        if not link.exists():
            link.symlink_to(folder.resolve())
        return folder, Source(folder.resolve().name)

    @property
    def best_file(self) -> Path:
        return self.config.output / FILE

    def run(self) -> None:
        config, state = self.config, self.state
        train, dev = (self._embeddings(records) for records in (self.train_records, self.dev_records))
        data = TrainingData.of(self.train_records, train, self.tokenizer)
        optimizer = torch.optim.AdamW([p for p in self.network.parameters() if p.requires_grad])
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        words = SubWords(self.tokenizer, self.network.gpt.config.vocab_size, self.tokenizer.eos_token_id)
        captioner = ClipCapCaptioner(self.encoder, self.network, words, self.device, digest="")
        batches = math.ceil(len(data.captions) / config.batch_size)
        while len(state["history"]) < config.epochs and state["since_best"] < config.patience:
            began = time.monotonic()
            number = len(state["history"]) + 1
            loss = train_one_epoch(
                self.network,
                data,
                optimizer,
                fine_tune_gpt2=config.fine_tune_gpt2,
                batch_size=config.batch_size,
                seed=config.seed * 100_003 + number,
                learning_rate_at=partial(self._learning_rate, batches, number - 1),
                mixed_precision=config.mixed_precision,
                description=f"epoch {number}",
            )
            seconds = time.monotonic() - began
            speed = len(data.captions) / seconds
            record = {"epoch": number, "loss": loss, "seconds": seconds, "captions_per_second": speed}
            self._finish_epoch(record | {"dev": self._dev_scores(captioner, dev)}, optimizer)
        print(f"finished: CIDEr {state['best']:.3f} on the dev split; the model is {self.best_file}")

    def _embeddings(self, records: Sequence[Record]) -> Embeddings:
        return compute_embeddings(records, self.encoder, self.config.cache, dataset_size=self.dataset_size)

    def _learning_rate(self, batches: int, epochs_over: int, batch: int) -> float:
        """Rises along a line for `warmup_steps`, then falls along one to nothing at the end of the last epoch."""
        step, last, warmup = epochs_over * batches + batch + 1, self.config.epochs * batches, self.config.warmup_steps
        factor = step / warmup if step < warmup else (last + 1 - step) / max(1, last + 1 - warmup)
        return self.config.learning_rate * factor

    def _dev_scores(self, captioner: ClipCapCaptioner, embeddings: Embeddings) -> dict[str, float]:
        usable = [row for row, record in enumerate(self.dev_records) if record.name not in embeddings.refused]
        texts = best_captions(captioner, embeddings.rows[usable], _DEV_OPTIONS)
        references = [[tokenise(text) for text in self.dev_records[row].captions] for row in usable]
        return score([tokenise(text) for text in texts], references, rouge=False).corpus

    def _finish_epoch(self, record: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
        state = self.state
        state["history"] = [*state["history"], record]
        better = record["dev"]["CIDEr"] > state["best"]
        state["since_best"] = 0 if better else state["since_best"] + 1
        if better:
            state["best"] = record["dev"]["CIDEr"]
            self.save_checkpoint(record["dev"])
        self.results.save_state(
            {
                "settings": self.settings,
                "state": state,
                "weights": self._learnt(),
                "optimizer": optimizer.state_dict(),
            }
        )
        self.results.write_record(self._record())
        scores = ", ".join(f"{name} {value:.3f}" for name, value in record["dev"].items())
        print(
            f"epoch {record['epoch']}: loss {record['loss']:.3f}, {record['seconds']:.0f} s, dev {scores}"
            + (" (best so far)" if better else ""),
            flush=True,
        )

    def _learnt(self) -> dict[str, Tensor]:
        """The weights that training changes."""
        names = {name for name, parameter in self.network.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in self.network.state_dict().items() if name in names}

    def _record(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "photographs": len(self.train_records),
            "torch": str(torch.__version__),
            "history": self.state["history"],
        }

    def save_checkpoint(self, dev_scores: dict[str, float]) -> None:
        ClipCapCheckpoint(
            self.mapping,
            self._learnt(),
            self.clip,
            self.gpt2,
            vocabulary_digest(self.tokenizer.get_vocab()),
            training=self._record(),
            scores=dev_scores,
        ).save(self.best_file)

    def _resume(self) -> None:
        """Raises ValueError where the output folder holds a run with other settings."""
        content = self.results.load_state()
        if content is None:
            return
        check_same_run(self.config.output, self.settings, content["settings"])
        self.state, self._optimizer_state = content["state"], content["optimizer"]
        self.network.load_state_dict(content["weights"], strict=False)
        print(f"going on after epoch {len(self.state['history'])}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    run = None
    try:
        run = Run(tyro.cli(Config, args=arguments, description=__doc__))
        run.run()
    except KeyboardInterrupt:
        if run is None or not run.state["history"]:
            print("\ninterrupted before an epoch was over; the same command begins again", file=sys.stderr)
        else:
            print(f"\ninterrupted; {run.best_file} can be used, the same command goes on", file=sys.stderr)
        return 130
    except FAILURES as error:
        return exit_status(error, begun=run is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
