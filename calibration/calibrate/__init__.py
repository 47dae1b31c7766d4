"""From a float model and a folder of pictures to INT8 packages, or to a refusal."""
