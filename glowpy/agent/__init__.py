"""The agent: runs executors on its host, and keeps what they write for whoever reads it."""
