"""Tests of `idp serve` as a deployment runs it: installed from the wheel, over TLS, with PostgreSQL and Redis."""
