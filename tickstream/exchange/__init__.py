"""The simulated exchange: a seeded market and the server that streams it."""
