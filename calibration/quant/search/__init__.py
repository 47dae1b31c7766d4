"""The steps that search for a better spec; `solve` has their order."""
