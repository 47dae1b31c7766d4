"""What values a network takes on images."""
