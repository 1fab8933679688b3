"""One file per journey; the only place where HTTP meets a decision."""
