"""Secret values, and their redaction in text."""
