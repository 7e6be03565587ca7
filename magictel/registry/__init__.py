"""Entry points: exporters by name, loaded and checked."""
