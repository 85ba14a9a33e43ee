"""YAML experiments and rigs that ship with the program."""
