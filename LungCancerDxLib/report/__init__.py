"""Pictures for people, drawn with matplotlib and without a screen."""
