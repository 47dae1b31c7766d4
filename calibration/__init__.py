"""INT8 calibration and training: what needs more than a board has. Imported by `edge`'s commands only."""
