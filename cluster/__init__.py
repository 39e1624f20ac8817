"""Captions of collections that one machine is too slow for: a Ray Data job. Imports model/, never service/."""
