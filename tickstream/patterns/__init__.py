"""From bars to patterns: detectors, and the way of each finding to the table and to Redis, exactly once."""
