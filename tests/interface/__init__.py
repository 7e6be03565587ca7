"""Backends of other shapes than ours: each proves that the plugin interface can carry it. None is an exporter of the product."""
