"""LLM-judged self-training for spaCy. Importing this package imports nothing else."""

__version__ = "0.1.0"
