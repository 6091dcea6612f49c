"""Guards an ordinary Deployment of a cluster: a canary beside it, promotion by its own template, and the way back."""
