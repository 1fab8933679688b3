"""Tests of how a person becomes an account."""
