"""One file per outside system, each behind a promise of `idp.promises`."""
