"""From ticks to bars: what enters is made durable, added to its bar, and committed exactly once."""
