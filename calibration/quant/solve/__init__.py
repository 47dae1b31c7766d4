"""From a network and images to its spec: which step comes when, and which is taken."""
