"""Stand-ins for what a whole cluster would run: controllers, kubelet, a router's controller. They use the API only."""
