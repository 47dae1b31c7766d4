"""What a runtime computes in INT8 by a spec, and the network as it has to be for that."""
