"""What a Prometheus API shows of the points sent."""
