"""Fits, scores and reports captioners. Imports model/, never service/."""
