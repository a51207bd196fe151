"""Real parts for the tests: an API server without a node, the recorded shop in it, kubectl, and patience."""
