"""Tests of the protocol rules, without HTTP."""
