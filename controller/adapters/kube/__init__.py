"""Everything that talks to Kubernetes. Nothing outside this package imports its client, which costs memory: it is
imported only where a cluster is configured."""
