"""How a person proves who they are, step by step; each step returns to the dispatcher."""
