"""Performance benchmarks: how fast, for how long, and at what cost in memory, with all running that a day has."""
