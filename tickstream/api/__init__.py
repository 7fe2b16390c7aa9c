"""The REST face: patterns, bars and a user's own watchlists, for holders of a token."""
