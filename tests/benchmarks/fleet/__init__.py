"""A controller with many applications of a cluster: what it costs at rest and with many releases on their way."""
