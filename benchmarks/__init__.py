"""The program measured against its own budgets: `make bench`, or one module with `python -m benchmarks.<name>`."""
