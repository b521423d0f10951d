"""The drivers of NoneBot2, its own and ours, under the same tests."""
