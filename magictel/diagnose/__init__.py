"""Turns a pasted error, log line or reply into a finding."""
