"""Where the stages meet: batches → resolver → graph → reconciler. Nothing else joins them."""

from grapevine.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
