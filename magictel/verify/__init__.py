"""Sent points against the points that the backend shows."""
