"""HTTP messages: requests, replies, the responder, and the classification of replies."""
