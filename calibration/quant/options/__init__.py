"""What a user of a calibration may choose: plain values, readable without any runtime."""
