"""Tests of idp.connectors."""
