"""Scores a captioner on a split: python -m training.evaluate --data DIR --split test

Writes to --output: scores.json (all figures), captions.json (every caption with its references and score),
report.md (the table beside published results, scores by what the photographs show, the commonest captions, and the
best, middle and worst), reliability.png, and contact_sheet.jpg (best, middle and worst with their photographs).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from PIL import Image
from tqdm import tqdm

from model.answer import describe_model
from model.arguments import current_names
from model.captioner import Caption, Captioner, DecodingOptions
from model.cnn_lstm.captioner import CnnLstmCaptioner
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import LOADING_ERRORS, OptionRefused
from model.files import atomic_write
from model.language_tags import choose_language
from model.languages import ENGLISH, language_of
from model.registry import load_captioner
from model.settings import ModelSettings
from model.style.captions import caption_images
from training.data.features import TooManyRefused, check_refused
from training.data.names import printable
from training.data.records import (
    DatasetRefused,
    Record,
    Split,
    in_split,
    is_flickr8k_test,
    name_lists,
    read_dataset,
    read_image,
)
from training.evaluation.intervals import bootstrap_intervals
from training.evaluation.metrics import Scores, human_scores, java_found, ptb_tokenise, score
from training.evaluation.quality import by_group, calibration, caption_quality
from training.evaluation.segmentation import SEGMENTERS
from training.pictures import draw_gallery, draw_reliability
from training.report import evaluation_report


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in one of the layouts of training/data/layouts.py."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where --data holds several; may be given several times."""
    split: Split = "test"
    output: Path = Path("runs/evaluation")
    batch_size: int = 32
    model: Annotated[ModelSettings, tyro.conf.arg(name="")] = field(default_factory=ModelSettings)
    decoding: Annotated[DecodingOptions, tyro.conf.arg(name="")] = field(default_factory=DecodingOptions)


def caption_records(
    captioner: Captioner, records: Sequence[Record], options: DecodingOptions, batch_size: int
) -> tuple[dict[str, Caption], dict[str, str]]:
    """Captions by photograph's name, and reasons by the name of those that could not be read."""
    captions: dict[str, Caption] = {}
    refused: dict[str, str] = {}
    with tqdm(total=len(records), unit="image", desc="captioning") as bar:
        for start in range(0, len(records), batch_size):
            images: dict[str, Image.Image] = {}
            for record in records[start : start + batch_size]:
                image = read_image(record)
                if isinstance(image, str):
                    refused[record.name] = image
                    tqdm.write(f"skipped {record.name}: {image}")
                else:
                    images[record.name] = image
            found = caption_images(captioner, list(images.values()), options)
            captions |= {name: ranked[0] for name, ranked in zip(images, found, strict=True)}
            bar.update(len(records[start : start + batch_size]))
    return captions, refused


def inexpressible(references: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary) -> dict[str, float]:
    """The shares of references and of words that hold, or are, a word outside the vocabulary."""
    texts = [text for group in references for text in group]
    words = [word for text in texts for word in text]
    return {
        "references": sum(any(word not in vocabulary for word in text) for text in texts) / len(texts),
        "words": sum(word not in vocabulary for word in words) / len(words),
    }


def evaluate(config: Config) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All that is known of the captioner on the split, as plain data: the figures, and the captions one by one."""
    dataset = read_dataset(config.data, config.captions)
    print(name_lists(dataset), file=sys.stderr)
    records = in_split(dataset, config.split)
    if not records:
        raise DatasetRefused(f"{config.data} has no photographs in the split {config.split}")
    captioner = load_captioner(config.model)
    began = time.monotonic()
    captions, refused = caption_records(captioner, records, config.decoding, config.batch_size)
    seconds = time.monotonic() - began
    check_refused(refused, len(dataset))
    published = is_flickr8k_test(records)
    records = [record for record in records if record.name in captions]
    code = choose_language(config.decoding.language, captioner.capabilities.languages)
    language, english = language_of(code), code == ENGLISH.code
    hypotheses = [language.tokenise(captions[record.name].text) for record in records]
    references = [[language.tokenise(text) for text in record.captions] for record in records]
    java = java_found() and english  # its tools know no other language
    if english and not java:
        print("Java is not found: no METEOR and no PTB tokenisation", file=sys.stderr)
    ours = score(hypotheses, references, meteor=java)
    ptb = _ptb_scores([captions[record.name].text for record in records], records) if java else None
    vocabulary = captioner.vocabulary_of(code) if isinstance(captioner, CnnLstmCaptioner) else None
    cider = ours.by_image["CIDEr"]
    figures = {
        "dataset": printable(config.data.resolve().name),
        "split": config.split,
        "flickr8k_test": published,
        "photographs": len(records),
        "references": sum(map(len, references)),
        "language": code,
        "model": describe_model(captioner),
        "decoding": _describe(config.decoding)
        + (_describe_second_look(config.decoding) if captioner.capabilities.second_look else "")
        + _describe_sight(config.model),
        "images_per_second": len(records) / seconds,
        "scores": ours.corpus,
        "intervals": bootstrap_intervals(hypotheses, references, ours.by_image),
        "scores_ptb": ptb.corpus if ptb else {},
        "people": human_scores(references),
        "by_words": _by_words(code, [captions[record.name].text for record in records], records),
        "groups": by_group(hypotheses, references, cider) if english else {},
        "inexpressible": inexpressible(references, vocabulary) if vocabulary else {},
        "quality": caption_quality(hypotheses, references, language)
        | ({"vocabulary": len(vocabulary)} if vocabulary else {})
        | {"low_confidence": sum(captions[record.name].low_confidence for record in records)},
        "calibration": calibration([captions[record.name] for record in records], cider, references),
        "refused": refused,
    }
    one_by_one = [
        {
            "name": record.name,
            "caption": captions[record.name].text,
            "mean_probability": captions[record.name].mean_probability,
            "cider": own,
            "references": list(record.captions),
        }
        for record, own in zip(records, cider, strict=True)
    ]
    return figures, one_by_one


def _by_words(language: str, captions: Sequence[str], records: Sequence[Record]) -> dict[str, Any]:
    """Scores of a language whose tokens are characters; of others nothing."""
    words = SEGMENTERS.get(language)
    if not words:
        return {}
    hypotheses, references = [words(text) for text in captions], [[words(t) for t in r.captions] for r in records]
    own = score(hypotheses, references)
    return {
        "scores": own.corpus,
        "intervals": bootstrap_intervals(hypotheses, references, own.by_image),
        "people": human_scores(references),
    }


def _ptb_scores(captions: Sequence[str], records: Sequence[Record]) -> Scores:
    hypotheses = [texts[0] for texts in ptb_tokenise([[caption] for caption in captions])]
    return score(hypotheses, ptb_tokenise([record.captions for record in records]), meteor=True)


def _describe(options: DecodingOptions) -> str:
    if options.method == "beam":
        return f"beam {options.beam_size}, length penalty {options.length_penalty:g}"
    if options.method == "sample":
        return f"sampled, temperature {options.temperature:g}, top-p {options.top_p:g}, seed {options.seed}"
    return "greedy"


def _describe_second_look(options: DecodingOptions) -> str:
    guidance = f", guidance {options.guidance:g}" if options.guidance else ""
    return guidance + (", re-ranked" if options.rerank else "")


def _describe_sight(model: ModelSettings) -> str:
    """How the captioner is shown the photographs, where not as usual."""
    size = f", {model.image_size} pixels" if model.image_size else ""
    return size + (", TTA" if model.tta else "")


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        config = tyro.cli(Config, args=current_names(arguments), description=__doc__)
        config.output.mkdir(parents=True, exist_ok=True)
        figures, captions = evaluate(config)
        report = evaluation_report(figures, captions)
        print(report.partition("\n## Captions")[0])
        contents = {"scores.json": figures, "captions.json": captions}
        texts = {name: json.dumps(each, indent=1, ensure_ascii=False) + "\n" for name, each in contents.items()}
        for name, text in (texts | {"report.md": report}).items():
            with atomic_write(config.output / name) as file:
                file.write_text(text, encoding="utf-8")
        draw_reliability(figures["calibration"], config.output / "reliability.png")
        photographs = {record.name: record.path for record in read_dataset(config.data, config.captions)}
        draw_gallery(captions, photographs, config.output / "contact_sheet.jpg")
    except (DatasetRefused, TooManyRefused, OptionRefused, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written to {config.output}: scores.json, captions.json, report.md, reliability.png, contact_sheet.jpg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
