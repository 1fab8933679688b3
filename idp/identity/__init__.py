"""Rules about people: who they are, how well proven, how they authenticate."""
