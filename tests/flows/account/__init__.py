"""Tests of what a person sees of their own account."""
