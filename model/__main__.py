"""Captions photographs from the command line: python -m model photo.jpg …"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model.answer import describe_answer
from model.captioner import DecodingOptions, OptionRefused, Stopwatch
from model.images import ImageRefused, decode_image
from model.registry import LOADING_ERRORS, add_model_arguments, load_captioner, model_settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description="Says what photographs show.")
    parser.add_argument("photographs", nargs="+", type=Path, metavar="PHOTOGRAPH")
    parser.add_argument("--json", action="store_true", help="print what the API returns, one JSON object a line")
    parser.add_argument("--no-image", action="store_true", help="with --json: leave the image out")
    add_model_arguments(parser)
    for option in dataclasses.fields(DecodingOptions):
        flag = "--" + option.name.replace("_", "-")
        if option.type == "bool":
            parser.add_argument(flag, action="store_const", const="true", help=option.metadata["help"])
        else:
            parser.add_argument(flag, help=f"{option.metadata['help']} (default {option.default})")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every photograph was captioned, 1 if one was not, 2 if none could be (options, model)."""
    parsed = _parser().parse_args(arguments)
    given = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(DecodingOptions)}
    try:
        options = DecodingOptions.parse({name: text for name, text in given.items() if text is not None})
        captioner = load_captioner(model_settings(parsed))
    except (OptionRefused, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    status = 0
    for path in parsed.photographs:
        stopwatch = Stopwatch()
        try:
            with stopwatch.stage("decode"):
                image = decode_image(path.read_bytes())
        except (OSError, ImageRefused) as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 1
            continue
        captions = captioner.caption([image], options, stopwatch)[0]
        if parsed.json:
            answer = describe_answer(image, captions, captioner, stopwatch, include_image=not parsed.no_image)
            print(json.dumps({"path": str(path)} | answer), flush=True)
            continue
        for caption in captions:
            odds = f"  ({caption.mean_probability:.0%} a word)" if len(captions) > 1 else ""
            doubt = "  (a guess: unlike the photographs that it was trained on)" if caption.low_confidence else ""
            print(f"{path}: {caption.text}{odds}{doubt}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
