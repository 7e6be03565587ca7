"""Formats and names that sources and several exporters share."""
