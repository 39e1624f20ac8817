"""Captions where other programs read them: in photographs, in copies of them, in XMP sidecars beside them."""
