"""The values that rooms hand to each other: metrics, outcomes, findings, verifications, events."""
