"""Points become items, items become payloads."""
