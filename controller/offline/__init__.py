"""Computing every number again, from a run or from anybody's frame stack."""
