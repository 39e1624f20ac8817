"""What is raised where metadata cannot be written."""

from __future__ import annotations


class MetadataRefused(RuntimeError):
    """Nothing was written, and what was there is as it was; the message says why."""
