"""The Router port on the cluster's own route objects: pure strategies for each kind, and one thin class that reads and
patches. Nothing here decides about a release."""
