"""Model files as data: read, write and check them without their runtime."""
