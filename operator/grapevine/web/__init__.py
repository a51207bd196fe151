"""What people and kubelet read over HTTP. Read-only."""
