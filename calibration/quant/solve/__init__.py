"""From a network and pictures to its spec: which step comes when, and which is taken."""
