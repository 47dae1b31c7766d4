"""INT8 calibration and training: what needs more than a board has."""
