"""Fine-tunes BLIP on photographs with captions: python -m training.finetune --data DIR --output DIR

Teacher forcing on all captions of a photograph, of which the vision transformer is shown each photograph once. What
--output holds in the end is what `CAPTION_BACKEND=blip CAPTION_WEIGHTS=DIR` serves: that of the epoch with the least
loss on the dev split, or of the last epoch where there is no such split. The same command goes on after a kill.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
import tyro
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from tqdm import tqdm
from transformers import BlipForConditionalGeneration

from model.huggingface.blip import DEFAULT_WEIGHTS, blip_prompt
from model.huggingface.weights import fetch, load_parts
from model.registry import choose_device
from training.data.features import check_refused
from training.data.lists import locate
from training.data.mixture import Dataset, check_leakage, rehearsed
from training.data.records import DatasetRefused, Record, in_split, name_lists, read_dataset, read_image
from training.running.failures import LossNotFinite
from training.running.results import Results
from training.running.settings import deciding, one_by_one
from training.trainer import Trainer, run_training

_IGNORED = -100  # what the loss leaves out
_INTERRUPTED = "interrupted; the same command goes on from the state that was kept last"


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in one of the layouts of training/data/layouts.py."""
    rehearse: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Folders with other captioned photographs, of which as many as --data has, from each folder alike, are learnt
    beside those, so that less is forgotten."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where a folder holds several; may be given several times."""
    output: Path = Path("runs/blip")
    """Where the weights go. If it holds an unfinished run with the same settings, that run goes on."""
    backend: Literal["blip"] = "blip"
    weights: str = DEFAULT_WEIGHTS
    """A folder, or a name on the Hugging Face Hub, to begin with."""
    revision: str = ""
    """Commit, tag or branch of a name on the Hub; known names have a pinned commit."""
    prompt: str = ""
    """Text that every caption goes on from, in training and, with --prompt or CAPTION_PROMPT, later."""
    lora_rank: int = 0
    """Above 0 only low-rank updates of the attention are learnt (LoRA, Hu et al. 2021, arXiv 2106.09685), which takes
    a third of the memory and about ten times the learning rate; they are merged into the weights that are written."""
    freeze_encoder: bool = False
    """The vision transformer stays as it is: less memory, and several times faster."""
    epochs: int = 5
    learning_rate: float = 1e-5
    """At the start (AdamW); it falls to nothing along half a cosine."""
    weight_decay: float = 0.05
    batch_size: int = 8
    """Photographs; each comes with all of its captions."""
    max_tokens: int = 50
    """Longer captions are cut."""
    gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    save_every_minutes: float = 5.0
    """How often the state of the run is kept, beside every epoch."""
    seed: int = 1
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""
    mixed_precision: bool = False
    """bfloat16 where it is safe."""

    def settings(self) -> dict[str, Any]:
        """What decides the result, as plain data; where things lie does not."""
        return deciding(self, ("data", "captions", "rehearse", "output", "device", "save_every_minutes"))


class FineTuning(Trainer):
    """In one stage, whose state is also kept within an epoch: one takes hours without a GPU."""

    def __init__(self, config: Config) -> None:
        """Raises DatasetRefused, ValueError and what loading weights does."""
        self.config = config
        results = Results(
            config.output, best="model.safetensors", state="finetuning.pt", record=False, tensorboard=False
        )
        super().__init__(results, {"training": config.epochs})
        self.device = choose_device(config.device)
        chosen = locate(config.captions, [config.data, *config.rehearse])
        records = read_dataset(config.data, chosen[0])
        results.log(name_lists(records))
        own, self.dev_records = in_split(records, "train"), in_split(records, "dev")
        if not own:
            raise DatasetRefused(f"{config.data} has no photographs to train on")
        others = rehearsed(config.rehearse, len(own), config.seed, chosen[1:])
        check_leakage([Dataset(config.data.resolve().name, records), *others], config.output)
        self.train_records = [*own, *(record for dataset in others for record in dataset.records)]
        folder = fetch(config.weights, config.revision)
        network, self.processor, self.tokenizer, begun_with = load_parts(
            BlipForConditionalGeneration, folder, "fp32", self.device
        )
        self.network = self._prepare(network)
        self.text = self.network.config.text_config
        self.prompt = blip_prompt(self.text, self.tokenizer, config.prompt)
        self.learnt = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        self.steps_an_epoch = math.ceil(len(self.train_records) / config.batch_size)
        self.refused: dict[str, str] = {}
        self.settings = config.settings() | {
            "begun_with": begun_with,
            "rehearse": " + ".join(dataset.described for dataset in others) or None,
        }
        self.step, self.losses = 0, [0.0]
        config.output.mkdir(parents=True, exist_ok=True)
        self.resume()

    def _prepare(self, network: Any) -> Any:
        network.requires_grad_(True).train()
        if self.config.freeze_encoder:
            network.vision_model.requires_grad_(False)
        if not self.config.lora_rank:
            return network
        from peft import LoraConfig, get_peft_model

        where = r"text_decoder\..*\.(query|value)"
        if not self.config.freeze_encoder:
            where += r"|vision_model\..*\.qkv"
        torch.manual_seed(self.config.seed)
        rank = self.config.lora_rank
        return get_peft_model(network, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=where))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        rate, decay = self.config.learning_rate, self.config.weight_decay
        self.optimizer = torch.optim.AdamW(self.learnt.values(), lr=rate, weight_decay=decay)
        yield

    def train_epoch(self, number: int) -> dict[str, Any]:
        began = saved = time.monotonic()
        first = self.step - (number - 1) * self.steps_an_epoch
        order = torch.randperm(
            len(self.train_records), generator=torch.Generator().manual_seed(self.config.seed * 100_003 + number - 1)
        )
        batches = [[self.train_records[i] for i in rows] for rows in order.split(self.config.batch_size)]
        self.losses = self.losses if first else []
        with tqdm(batches[first:], initial=first, total=len(batches), desc=f"epoch {number}", unit="batch") as bar:
            for batch in bar:
                self._step(batch)
                bar.set_postfix(loss=f"{self.losses[-1]:.3f}")
                if time.monotonic() - saved >= 60 * self.config.save_every_minutes:
                    self.save_state()
                    saved = time.monotonic()
        check_refused(self.refused, len(self.train_records) + len(self.dev_records))
        return {"loss": sum(self.losses) / max(len(self.losses), 1), "seconds": time.monotonic() - began}

    def _step(self, batch: Sequence[Record]) -> None:
        """Raises LossNotFinite."""
        done = self.step / (self.config.epochs * self.steps_an_epoch)
        self.optimizer.param_groups[0]["lr"] = self.config.learning_rate * (1 + math.cos(math.pi * done)) / 2
        torch.manual_seed(self.config.seed * 100_003 + self.step)  # dropout is the same after a kill
        loss = self._loss(batch)
        if loss is not None:
            if not math.isfinite(float(loss.detach())):
                raise LossNotFinite(
                    f"the loss is {float(loss.detach())} at step {self.step + 1}: lower the learning rate"
                )
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.learnt.values(), self.config.gradient_norm)
            self.optimizer.step()
            self.losses.append(float(loss.detach()))
        self.step += 1

    def _loss(self, records: Sequence[Record]) -> Tensor | None:
        """The mean cross-entropy of a token; None where no photograph can be read."""
        images: list[Image.Image] = []
        captions: list[Sequence[str]] = []
        for record in records:
            image = read_image(record)
            if isinstance(image, str):
                self.refused[record.name] = image
            else:
                images.append(image)
                captions.append(record.captions)
        if not images:
            return None
        tokens, labels = self._tokens([text for own in captions for text in own])
        repeats = torch.tensor([len(own) for own in captions], device=self.device)
        pixels = self.processor(images=images, return_tensors="pt").pixel_values.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.mixed_precision):
            patches = self.network.vision_model(pixels).last_hidden_state
            # Padding is on the right and nothing reads what comes after it, so it needs no mask.
            loss: Tensor = self.network.text_decoder(
                tokens, encoder_hidden_states=patches.repeat_interleave(repeats, dim=0), labels=labels
            ).loss
        return loss

    def _tokens(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (captions, length) from the prompt to the end, filled up with padding, and what is to be learnt of
        them: the words after the prompt, and the end.
        """
        found = self.tokenizer(list(captions), add_special_tokens=False).input_ids
        cut = [[*self.prompt, *own[: self.config.max_tokens], self.text.sep_token_id] for own in found]
        tokens = torch.full((len(cut), max(map(len, cut))), self.text.pad_token_id)
        labels = torch.full_like(tokens, _IGNORED)
        for row, own in enumerate(cut):
            tokens[row, : len(own)] = torch.tensor(own)
            labels[row, len(self.prompt) : len(own)] = tokens[row, len(self.prompt) : len(own)]
        return tokens.to(self.device), labels.to(self.device)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        self.network.eval()
        size = self.config.batch_size
        batches = [self.dev_records[i : i + size] for i in range(0, len(self.dev_records), size)]
        losses = [
            float(loss) for batch in tqdm(batches, desc="dev", leave=False) if (loss := self._loss(batch)) is not None
        ]
        self.network.train()
        return {"dev_loss": sum(losses) / len(losses) if losses else None}

    def score(self, record: Mapping[str, Any]) -> float | None:
        return None if record["dev_loss"] is None else -record["dev_loss"]

    def report(self, record: Mapping[str, Any], better: bool) -> str:
        dev = f", dev {record['dev_loss']:.3f}" if record["dev_loss"] is not None else ""
        return f"epoch {record['epoch']}: loss {record['loss']:.3f}{dev}, {record['seconds']:.0f} s"

    def progress(self) -> str:
        return f"step {self.step}"

    def finish(self) -> str:
        return f"finished: CAPTION_BACKEND=blip CAPTION_WEIGHTS={self.config.output} serves it"

    def interrupted(self) -> str:
        return _INTERRUPTED

    def record(self) -> dict[str, Any]:
        return {"settings": self.settings, "transformers": transformers.__version__, "history": self.history}

    def save_best(self, record: Mapping[str, Any]) -> None:
        """The weights, their preprocessing and tokenizer, each file whole or not at all."""
        network = self.network
        if self.config.lora_rank:
            network = copy.deepcopy(network).merge_and_unload()
        try:
            with tempfile.TemporaryDirectory(dir=self.config.output) as folder:
                for part in (network, self.processor, self.tokenizer):
                    part.save_pretrained(folder)
                (Path(folder) / "finetuning.json").write_text(json.dumps(self.record(), indent=1) + "\n")
                for file in Path(folder).iterdir():
                    file.replace(self.config.output / file.name)
        except (SafetensorError, OSError) as error:  # a full disk
            raise OSError(f"{self.config.output}: {error}") from None

    def weights(self) -> dict[str, Any]:
        learnt = {name: weights.detach() for name, weights in self.learnt.items()}
        return {"step": self.step, "losses": self.losses, "weights": learnt}

    @torch.no_grad()
    def load_weights(self, content: Mapping[str, Any]) -> None:
        for name, weights in self.learnt.items():
            weights.copy_(content["weights"][name])
        self.step, self.losses = content["step"], content["losses"]


def main(arguments: Sequence[str] | None = None) -> int:
    words = one_by_one(sys.argv[1:] if arguments is None else arguments, ("--captions", "--rehearse"))
    return run_training(lambda: FineTuning(tyro.cli(Config, args=words, description=__doc__)), _INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
