"""From folders of photographs and captions to batches."""
