"""Value types that every stage passes on. Pure: no clock, socket, environment or third party."""
