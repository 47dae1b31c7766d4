"""YOLOv6 (nano, tiny, s) and YOLOv7-tiny, written from the papers; `network` makes one in torch."""
