"""A brute-force oracle of identity: worlds in which it is known who asked, against what the pipeline makes of them."""
