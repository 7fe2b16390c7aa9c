"""Performance benchmarks: how fast, for how long, and at what cost in memory, with everything running that a day has."""
