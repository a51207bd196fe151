"""The map as ClientIntents: from the graph to the resource and back. Pure."""
