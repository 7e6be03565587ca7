"""Secret values, and finding them in a text."""
