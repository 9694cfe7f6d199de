"""Rows that come and go while a run goes on, between channels of the driver program and shards."""
