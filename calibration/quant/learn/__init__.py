"""What is learned by gradients, in torch, from the float network."""
