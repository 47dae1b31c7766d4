"""What a calibration did, for people (HTML) and programs (JSON)."""
