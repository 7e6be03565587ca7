"""The Prometheus scrape page."""
