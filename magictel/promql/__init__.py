"""Read-back from Prometheus and backends with its query API: Mimir, Thanos, VictoriaMetrics."""
