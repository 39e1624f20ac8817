"""Borrowed networks, over Hugging Face's transformers."""
