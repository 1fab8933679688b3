"""The tests; they mirror `idp/`, and `tests/rules/` guards the rules of the house."""
