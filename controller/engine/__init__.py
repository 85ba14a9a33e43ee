"""What happens in time: the state machine, the steps, the guards, the loop."""
