"""What is served beyond loopback shares: listener, bounds by peer, certificate, what the API server said of tokens."""
