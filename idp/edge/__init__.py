"""What the flows share of HTTP."""
