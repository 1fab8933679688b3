"""Tests of signing in, walked as a person with a plain browser."""
