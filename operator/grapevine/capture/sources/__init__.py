"""Where frames come from; each module is one source and knows nothing of DNS."""
