"""What was decided on a model, as values and as a file."""
