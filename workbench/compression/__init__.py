"""Smaller models, as new models with a report of what was lost and gained."""
