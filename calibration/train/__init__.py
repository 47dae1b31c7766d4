"""Training and fine-tuning of YOLOv6 and YOLOv7-tiny. See `calibration/docs`."""
