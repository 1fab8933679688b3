"""Stand-ins for the outside world, as separate programs: the carrier's register, the SMS gateways, two portals, and the demo."""
