"""What values a network takes on pictures."""
