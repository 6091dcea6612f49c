"""What a canary controller has to survive, each as a test on every router of a cluster and on both levels."""
