"""Limits, encryption, audit and the picture code."""
