"""What is on disk: frame logs, hold files, run folders, foreign stacks."""
