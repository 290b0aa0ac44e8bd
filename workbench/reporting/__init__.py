"""Notebooks run end to end, and the page that comes out."""
