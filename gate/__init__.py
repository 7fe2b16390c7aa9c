"""`gate`: a production-readiness gate runner.

The package promises one thing: a GO means that everything that was promised ran, finished and met its limits.
"""

__version__ = "0.1.0"
