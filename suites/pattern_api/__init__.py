"""Patterns, bars and watchlists over REST: correct, checked, cached, limited, and there when servers are not."""
