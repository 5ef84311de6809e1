"""Data sets on disk as researchers have them, and what is known of their scans before an image is read."""
