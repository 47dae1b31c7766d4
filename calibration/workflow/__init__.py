"""From a float model and a folder of images to INT8 packages, or to a refusal."""
