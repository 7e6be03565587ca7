"""The registry of exporters: entry points by name, loaded and checked."""
