"""Messages go out through Redis: at once to who listens, kept and in order for who comes back."""
