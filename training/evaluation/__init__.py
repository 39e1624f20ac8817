"""Scores, reports and pictures."""
