"""The plugin interface and what every exporter inherits."""
