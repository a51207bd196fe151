"""Kubernetes: read its objects, write ClientIntents. The only package that knows the `kubernetes` library."""
