"""From a protocol file to a report: configuration, plan, engine, streams, records, command line."""
