"""Points as Prometheus knows them: names, series, and which of them would be one."""
