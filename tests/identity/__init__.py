"""Tests of idp.identity."""
