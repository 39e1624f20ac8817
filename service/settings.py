"""What an operator can set, read once from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from model.settings import ModelSettings, parse_setting, variable

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Every field is read from the variable CAPTION_ and its name in capitals."""

    model: ModelSettings = ModelSettings()
    """Read from its own variables: model/settings.py."""
    collection: Path | None = None
    """Results of `python -m collection caption --output`, JSONL, or their index: then the page can search them."""
    collection_read_only: bool = False
    """Whether people may only search it; else they may accept, edit and reject its captions on the page."""
    max_upload_bytes: int = 16 * 1024 * 1024
    """A larger photograph is refused with 413."""
    client_timeout_seconds: int = 60
    """A request that is not read whole by then is given up, so that a slow client does not hold a thread."""
    max_batch: int = 8
    """Photographs that the captioner takes together at most."""
    max_wait_milliseconds: int = 10
    """So long a batch waits at most for photographs that are being decoded; where there are none it does not wait."""
    max_queue: int = 128
    """Photographs that are under way at once at most; one more is answered 503 at once. There are as many threads."""
    deadline_seconds: int = 30
    """A photograph that is not captioned so long after it arrived is answered 504."""
    hung_after_seconds: int = 120
    """A captioner that takes longer over one batch is taken for hung, and replaced."""
    load_tries: int = 3
    """So often the captioner is tried to be loaded; then the service ends, with an exit status that is not 0."""
    max_images_upload_bytes: int = 64 * 1024 * 1024
    """More than this in one request for several photographs is refused with 413."""
    workers: int = 1
    """Processes of gunicorn, each with a captioner of its own: on a CPU one already uses all cores."""
    api_key: str = field(default="", repr=False)
    """Where set, captions and metrics are given only to who sends it, as a bearer token or as X-API-Key."""
    accept_language: bool = False
    """Whether captions are in the language of a request's Accept-Language, where it asks for none by name."""
    cors_origins: str = ""
    """Sites whose pages may ask, with commas between: https://example.org, or * for all."""
    rate_limit: str = ""
    """Requests for captions from one address, such as 60/minute or 5/second; counted in each worker by itself."""
    strict_model: bool = False
    """Whether a request at the doors of OpenAI and Ollama that names another model is answered 404."""
    model_aliases: str = ""
    """Names that it is listed under there besides its own, with commas between, for programs that choose by name."""
    trusted_proxies: int = 0
    """Proxies in front of the service that add to X-Forwarded-For or Forwarded; 0: such headers are not believed."""
    url_prefix: str = ""
    """The path that a proxy has the service under, such as /captions."""
    log_format: str = "json"
    """Lines of the log: json, or text for reading in a terminal."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises SettingRefused."""
        values = {
            setting.name: parse_setting(setting, text)
            for setting in dataclasses.fields(cls)
            if setting.name != "model" and (text := environment.get(variable(setting.name), "").strip())
        }
        return cls(model=ModelSettings.from_environment(environment), **values)
