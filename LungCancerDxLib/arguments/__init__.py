"""What each command takes. Nothing heavy is imported here, so that help is there at once."""
