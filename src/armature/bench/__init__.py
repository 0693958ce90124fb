"""From a load generator's raw files to records, summaries, comparisons and reports. It needs no engine and no runtime."""
