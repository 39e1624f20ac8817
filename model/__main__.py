"""Says what photographs show: python -m model PHOTOGRAPH …

For folders, lists and files of results there is `python -m collection`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from model.answer import describe_captions, text_lines
from model.arguments import add_decoding_arguments, add_model_arguments, current_names, decoding_options, model_settings
from model.captioner import warn_of_ignored
from model.errors import LOADING_ERRORS, ImageRefused, OptionRefused
from model.images import decode_image, warning_of
from model.names import Parser
from model.registry import load_captioner
from model.style.captions import caption_images

_MOVED = ("caption", "search")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every photograph was captioned, 1 if one was not, 2 if none could be, or options or model forbid it."""
    given = current_names(arguments)
    if given and given[0] in _MOVED:
        print(f"python -m model {given[0]} is now: python -m collection {' '.join(given)}", file=sys.stderr)
        return 2
    if given and given[0] == "export":
        from model.cnn_lstm.export import main as export

        return export(given[1:])
    parsed = _parse(given)
    try:
        captioner, options = load_captioner(model_settings(parsed)), decoding_options(parsed)
    except (OptionRefused, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    warn_of_ignored(captioner, options)
    captioned = 0
    for path in parsed.photographs:
        try:
            image = _read(path)
        except (OSError, ImageRefused) as error:
            print(f"{path}: {error}", file=sys.stderr)
            continue
        [captions] = caption_images(captioner, [image], options)
        sys.stdout.writelines(text_lines(path, describe_captions(captions, captioner) | warning_of(image)))
        captioned += 1
    return 0 if captioned == len(parsed.photographs) else 1 if captioned else 2


def _parse(given: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m model",
        description="Says what photographs show, a line a caption.",
        epilog="python -m model export --help: the model for other runtimes. "
        "python -m collection --help: folders, lists, files of results, search.",
    )
    parser.add_argument("photographs", nargs="+", metavar="PHOTOGRAPH")
    add_decoding_arguments(parser)
    add_model_arguments(parser)
    parsed: argparse.Namespace = parser.parse_args(given)
    return parsed


def _read(path: str) -> Image.Image:
    """Raises ImageRefused, OSError."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OSError(f"The file cannot be read: {reason}.") from error
    return decode_image(data)


if __name__ == "__main__":
    sys.exit(main())
