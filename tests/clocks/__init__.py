"""Time: expiry at the exact second, clocks that are set forward and back, and two nodes whose clocks differ."""
