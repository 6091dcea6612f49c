"""A small API server that answers as Kubernetes does in what a controller can observe. It runs no controllers."""
