"""A cluster in which nothing holds still, and the operator's map at its end against the truth."""
