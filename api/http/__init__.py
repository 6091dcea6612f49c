"""The HTTP door: requests become commands, values become JSON. It never touches the world and decides no release."""
