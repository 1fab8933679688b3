"""How a person becomes an account."""
