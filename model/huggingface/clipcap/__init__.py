"""ClipCap: CLIP, a mapping network and GPT-2."""
