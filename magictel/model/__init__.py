"""Values shared by all packages: metrics, outcomes, findings, verifications, events."""
