"""What a plan computes, and how far that is from the float network."""
