"""Commands of a person's shell, one module each; a command's parts are imported when it runs, not before."""
