"""The commands, one module per thing they are about. Each asks the controller and shows the answer; none decides."""
