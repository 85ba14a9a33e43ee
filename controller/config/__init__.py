"""From YAML text to validated protocols and rigs."""
