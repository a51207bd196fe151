"""kopf: watches ClientIntents and nothing else. Thin; what an event means is the pipeline's business."""
