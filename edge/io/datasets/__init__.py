"""Pictures with labels, as other tools write them."""
