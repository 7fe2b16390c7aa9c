"""The WebSocket face: each user hears of the patterns that they asked for, also of those found while they were away."""
