"""For all tests: in CI the examples of property tests depend on nothing but the code, so that a commit is judged the
same each time. Elsewhere they are drawn anew, which is how new ones are found.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
