"""Captions as alt text: a sentence that can be published as it is."""
