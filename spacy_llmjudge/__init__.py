"""LLM-judged self-training for spaCy. Importing this package imports nothing heavy."""

import os
import sys

__version__ = "0.1.0"

# OpenMP reads this once, when torch is loaded: threads that wait for work sleep instead of spinning
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
