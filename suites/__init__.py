"""The suites that decide whether the market-data system may go to production; README.md tells how they work."""
