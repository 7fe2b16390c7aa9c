"""A small, real market-data system: ticks in, one-minute bars in PostgreSQL, updates through Redis.

It exists so that the bundled suites test something that runs. `python -m tickstream ingest` starts the ingestion
service; docs/tickstream.md tells its parts and guarantees.
"""
