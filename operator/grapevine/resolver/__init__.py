"""Who is this address at that time, what is this name. Pure."""
