"""Training and evaluation of a run: one or more models on one task under one budget."""
