"""What leaves for observability backends. The only package that knows prometheus_client and opentelemetry."""
