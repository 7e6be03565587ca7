"""A pasted error, log line or reply becomes a finding."""
