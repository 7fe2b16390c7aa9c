"""Everything goes away and comes back: the database, Redis, the network, and every process of the system itself."""
