"""Ticks become bars in PostgreSQL: exactly once, fast, and through every loss of a connection or a process."""
