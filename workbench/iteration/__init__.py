"""Iterate: people mark what is wrong, the model learns it, and it holds after compression."""
