"""Whether a written file computes what it should, asked of its runtime."""
