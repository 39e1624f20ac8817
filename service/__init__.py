"""HTTP only: requests to photographs, captions to JSON. Imports model/, never training/."""

from __future__ import annotations

import os

from flask import Flask, Response

from service import about, access, adapters, captioning, errors, reviews, routes, search
from service.engine.supervisor import Supervisor
from service.intake.body import OVERHEAD
from service.observability import request_log
from service.settings import ROOT, Settings

_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        # A Hugging Face Space shows the page in a frame of its own site.
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self' https://huggingface.co; "
        # The page makes no markup of text; where the browser knows how, it holds the page to that.
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def create_app(settings: Settings | None = None) -> Flask:
    """The application; its captioner loads in the background. Raises SettingRefused."""
    settings = settings or Settings.from_environment(os.environ)
    app = Flask("image-captioner", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config["MAX_UPLOAD_BYTES"] = settings.max_upload_bytes
    app.config["MAX_IMAGES_UPLOAD_BYTES"] = settings.max_images_upload_bytes
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + OVERHEAD
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]  # a long text field is no image: 400
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the contract is the order for reading
    request_log.register(app)
    access.register(app, settings)
    captioning.register(app)
    host = Supervisor(settings)
    app.extensions["captioner"] = host
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(about.blueprint)
    adapters.register(app)
    if settings.collection:
        search.register(app, settings.collection, is_editable=not settings.collection_read_only)
        if not settings.collection_read_only:
            reviews.register(app)
    errors.register(app)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(_SECURITY_HEADERS)
        return response

    host.start()
    return app
