"""Who may ask, from where and how often: an API key, other sites' pages, requests a minute, trusted proxies.

All of it is off by default. Guarded is what costs something or tells of the traffic: every route but `OPEN`.
"""

from __future__ import annotations

import hmac
import math
import re
import time
from http import HTTPStatus
from ipaddress import IPv6Address, ip_network

from flask import Flask, Response, request
from flask_cors import CORS
from flask_limiter import Limiter, RateLimitExceeded
from limits import parse_many

from model.errors import SettingRefused
from service.errors import failure
from service.observability.request_log import REQUEST_ID_HEADER
from service.proxies import Proxied, parse_address, parse_prefix
from service.settings import Settings

KEY_HEADER = "X-API-Key"
OPEN = {
    "static",
    "captions.page",
    "captions.health",
    "captions.alive",
    "captions.ready",
    "about.info",
    "about.openapi",
    "about.docs",
}
FREE = {"ollama_models.show", "reviews.review"}
"""Asked by POST, and nothing is captioned."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")  # flask-cors would take anything else for an expression
_PREFLIGHT_SECONDS = 3600
_IPV6_BITS = 64  # one customer has that many addresses at least


def register(app: Flask, settings: Settings) -> None:
    """To be called after observability's, before the others': refusals are logged too. Raises SettingRefused."""
    prefix = parse_prefix(settings.url_prefix)
    app.wsgi_app = Proxied(app.wsgi_app, settings.trusted_proxies, prefix)  # type: ignore[method-assign]
    if settings.cors_origins:
        _let_in(app, _origins(settings.cors_origins))
    if settings.rate_limit:
        _limit(app, settings.rate_limit)  # before the key is compared: guesses are counted too
    app.jinja_env.globals["api_key_required"] = bool(settings.api_key)  # then the page has a field for it
    if settings.api_key:
        _lock(app, settings.api_key)


def is_guarded() -> bool:
    """Whether the request under way is for a guarded route; what is not there needs no guard, nor does a preflight."""
    return request.endpoint is not None and request.endpoint not in OPEN and request.method != "OPTIONS"


def is_counted() -> bool:
    """Whether the request under way asks for captions."""
    return is_guarded() and request.method == "POST" and request.endpoint not in FREE


def _lock(app: Flask, key: str) -> None:
    if not re.fullmatch("[!-~]+", key):  # what a header can carry
        raise SettingRefused("CAPTION_API_KEY must be printable ASCII without spaces")

    @app.before_request
    def check() -> Response | None:
        if not is_guarded() or hmac.compare_digest(_given_key().encode(), key.encode()):
            return None
        refusal = failure(
            HTTPStatus.UNAUTHORIZED, "unauthorized", "This service needs its API key, as a bearer token or X-API-Key."
        )
        refusal.headers["WWW-Authenticate"] = 'Bearer realm="image-captioner"'
        return refusal


def _given_key() -> str:
    credentials = request.authorization
    if credentials is not None and credentials.type == "bearer":
        return credentials.token or ""
    return request.headers.get(KEY_HEADER, "")


def _let_in(app: Flask, origins: list[str]) -> None:
    CORS(
        app,
        origins=origins,
        methods=["GET", "POST"],
        allow_headers="*",  # other APIs' clients send headers of their own, which are not looked at
        expose_headers=["Retry-After", "RateLimit", "RateLimit-Policy", "Server-Timing", REQUEST_ID_HEADER],
        max_age=_PREFLIGHT_SECONDS,
    )


def _origins(text: str) -> list[str]:
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise SettingRefused(f"CAPTION_CORS_ORIGINS must be * or like https://example.org, not '{origin}'")
    return origins


def _limit(app: Flask, rate: str) -> None:
    try:
        parse_many(rate)
    except ValueError as error:
        raise SettingRefused(f"CAPTION_RATE_LIMIT must be like 60/minute, not '{rate}'") from error
    limiter = Limiter(
        _client,
        app=app,
        application_limits=[rate],
        application_limits_exempt_when=lambda: not is_counted(),
        storage_uri="memory://",
        strategy="moving-window",
    )

    @app.after_request
    def tell(response: Response) -> Response:
        """What is left, as draft-ietf-httpapi-ratelimit-headers-10 has it."""
        if limits := limiter.current_limits:
            policies = [(f'"{one.limit}"', one) for one in limits]
            windows = [f"{name};q={one.limit.amount};w={one.limit.get_expiry()}" for name, one in policies]
            left = [f"{name};r={one.remaining};t={_seconds_until(one.reset_at)}" for name, one in policies]
            response.headers["RateLimit-Policy"], response.headers["RateLimit"] = ", ".join(windows), ", ".join(left)
        return response

    @app.errorhandler(RateLimitExceeded)
    def too_often(error: RateLimitExceeded) -> Response:
        refusal = failure(
            HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", f"At most {error.limit.limit}; please wait."
        )
        limit = limiter.current_limit
        refusal.headers["Retry-After"] = str(max(1, _seconds_until(limit.reset_at)) if limit else 1)
        return refusal


def _seconds_until(moment: float) -> int:
    return max(0, math.ceil(moment - time.time()))


def _client() -> str:
    """The address that requests are counted by; one network of IPv6, since who has one address there has them all."""
    address = parse_address(request.remote_addr or "")
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_BITS), strict=False))
    return str(address or request.remote_addr or "unknown")  # which a socket file is
