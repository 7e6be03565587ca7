"""What Prometheus calls a metric."""
