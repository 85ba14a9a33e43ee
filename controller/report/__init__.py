"""What a reader of the results sees: figures, tables, one offline page."""
