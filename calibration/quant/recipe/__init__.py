"""Steps of a calibration, and the order that they are taken in."""
