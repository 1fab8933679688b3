"""Rows and short-lived values; knows SQLAlchemy and Redis, and no rule of the domain."""
