"""Shards that several machines work on with Ray. Ray is imported here alone, and only when it is asked for."""
