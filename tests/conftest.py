"""How many examples Hypothesis tries: 60 of each property, or PYBLO_EXAMPLES, for builds in which each one is slow."""

import os

from hypothesis import settings

settings.register_profile("pyblo", max_examples=int(os.environ.get("PYBLO_EXAMPLES", "60")))
settings.load_profile("pyblo")
