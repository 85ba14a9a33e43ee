"""A run, put together: devices, announcements, processes, from its protocol to its outcome."""
