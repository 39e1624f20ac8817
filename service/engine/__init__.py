"""Between requests and the captioner: the queue, the captioner's process and its supervisor."""
