"""Grapevine: a Kubernetes operator that learns from DNS which workload talks to which."""

__version__ = "0.1.0"
