"""Messages of HTTP: requests, replies, who answered, and how a reply is classified."""
