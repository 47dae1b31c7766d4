"""Training and fine-tuning of YOLOv6 and YOLOv7-tiny. The guide is `calibration/TRAINING.md`."""
