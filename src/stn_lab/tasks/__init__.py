"""What is learnt: where batches come from, and what counts as an error."""
