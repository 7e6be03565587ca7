"""Comparison of sent points with the points that the backend shows."""
