"""The live page: what a run looks like from outside, for any number of browsers."""
