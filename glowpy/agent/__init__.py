"""The agent: runs executors on its host, and stores their output shards for readers."""
