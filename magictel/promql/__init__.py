"""Reading back from Prometheus and what answers its query API: Mimir, Thanos, VictoriaMetrics."""
