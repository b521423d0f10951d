"""NoneBot2 2.4 and later."""
