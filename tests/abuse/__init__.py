"""Attacks on the whole provider: what comes in bad, and what must never go out. `docs/bad-input.md` says which line is shown where."""
