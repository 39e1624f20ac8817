"""What a file of this package declares: one API of others, spoken at doors of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint

from service.door import Door
from service.errors import Shape
from service.schemas import Schema


@dataclass(frozen=True)
class Adapter:
    blueprint: Blueprint
    prefixes: tuple[str, ...]
    """Beginnings of paths where a failure has this API's shape, also where there is no door."""
    describe_failure: Shape
    doors: Callable[[], tuple[Door, ...]]
    schemas: dict[str, Schema] = field(default_factory=dict)
    """By name, for the doors to refer to."""
