"""The report of a study: the figures and the table of a paper, from several runs."""
