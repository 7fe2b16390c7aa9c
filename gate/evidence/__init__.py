"""What a suite left behind → Evidence: one module per channel, and one that makes them agree."""
