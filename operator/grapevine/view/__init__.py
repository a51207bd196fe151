"""The map as people look at it: which part, where each thing stands, what a failure reaches, and its formats. Pure."""
