"""Messages through Redis: live for those who are there, kept for those who come back."""
