"""Formats and names that several exporters share."""
