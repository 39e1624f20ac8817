"""What every door takes for the options of a request."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flask import current_app, request

from model.captioner import DecodingOptions
from model.language_tags import find_language
from service.engine.supervisor import Supervisor


def parse_options(texts: Mapping[str, str], also: Collection[str] = ()) -> DecodingOptions:
    """See DecodingOptions.parse. Where the operator allows it, Accept-Language (RFC 9110, 12.5.4) stands for a language
    that is not asked for by name. Raises OptionRefused, NotReady.
    """
    host: Supervisor = current_app.extensions["captioner"]
    if host.settings.accept_language and not texts.get("language", "").strip():
        texts = {**texts, "language": find_language(accepted_languages(), host.capabilities["languages"]) or ""}
    return DecodingOptions.parse(texts, also)


def accepted_languages() -> list[str]:
    """Of the request, the best first."""
    return [tag for tag, quality in request.accept_languages if quality > 0]
