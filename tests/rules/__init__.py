"""Guards of the rules of the house: what no type checker and no linter can see."""
