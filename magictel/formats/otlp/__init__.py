"""OpenTelemetry's own format: JSON lines as the Collector's file exporter writes them, and reading sent points back from it."""
