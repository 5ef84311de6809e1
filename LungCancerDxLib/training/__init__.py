"""Training of the networks (sections IV and V-E)."""
