"""Hosts: what starts, signals and watches a node on one kind of host."""
