"""The guided run of docs/kubernetes.md, carried out: a cluster, a registry, Prometheus, a controller, a user."""
