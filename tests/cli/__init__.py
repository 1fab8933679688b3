"""Tests of the `idp` command."""
