"""What Elasticsearch and OpenSearch show of the points sent."""
