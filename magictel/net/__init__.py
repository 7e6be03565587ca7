"""Reaching a backend: addresses, names, proxies, TLS, connections."""
