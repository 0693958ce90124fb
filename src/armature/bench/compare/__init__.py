"""Runs side by side: which are repeats of each other, how groups of them differ, and in what they were set differently."""
