"""From pixels to sentences: everything that is needed to caption a photograph, and nothing else."""
