"""The process's one captioner: loaded in the background, then used by one request at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Literal

from PIL import Image

from model.captioner import Caption, Captioner, DecodingOptions, Stopwatch
from model.images import decode_image
from model.registry import ModelSettings, load_captioner

log = logging.getLogger(__name__)

_DECODED_AT_ONCE = 2


class NotReady(RuntimeError):
    """The captioner is still loading, or could not be loaded."""


class Host:
    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._captioner: Captioner | None = None
        self.failure: str | None = None
        # A second forward pass at the same time would only share the cores with the first.
        self._turn = threading.Lock()
        # A photograph of 40 megapixels takes some hundred megabytes while it is decoded: not for every thread at once.
        self._decoding = threading.BoundedSemaphore(_DECODED_AT_ONCE)

    def start(self) -> None:
        """Returns at once; `status` tells how loading goes."""
        threading.Thread(target=self._load, name="load-captioner", daemon=True).start()

    def _load(self) -> None:
        try:
            captioner = load_captioner(self.settings)
            captioner.caption([Image.new("RGB", (64, 64))])  # the first pass sets up kernels: not at a user's expense
        except Exception as error:  # whatever it is, /health must tell it
            self.failure = str(error) or type(error).__name__
            log.exception("the captioner cannot be loaded")
        else:
            self._captioner = captioner
            log.info("ready: %s on %s, sha256 %s", captioner.name, captioner.device, captioner.digest)

    @property
    def status(self) -> Literal["starting", "healthy", "failed"]:
        return "failed" if self.failure else "healthy" if self._captioner else "starting"

    @property
    def captioner(self) -> Captioner:
        """Raises NotReady."""
        if self._captioner is None:
            raise NotReady(
                "The model could not be loaded; the service's log says why."
                if self.failure
                else "The model is being loaded; please try again in a few seconds."
            )
        return self._captioner

    def decode(self, data: bytes) -> Image.Image:
        """See model.images.decode_image. Raises ImageRefused."""
        with self._decoding:
            return decode_image(data)

    def caption(
        self, images: Sequence[Image.Image], options: DecodingOptions, stopwatch: Stopwatch
    ) -> list[list[Caption]]:
        """Raises NotReady."""
        captioner = self.captioner
        with stopwatch.stage("queue"):
            self._turn.acquire()
        try:
            return captioner.caption(images, options, stopwatch)
        finally:
            self._turn.release()
