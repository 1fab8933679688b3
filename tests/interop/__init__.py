"""Tests that drive OpenID client libraries which are not ours, as a portal would."""
