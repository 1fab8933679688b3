"""The foundation's conformance suite, mirrored: its modules, its judgements, and a relying party that drives the provider as it does."""
