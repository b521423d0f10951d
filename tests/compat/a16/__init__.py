"""NoneBot 2.0.0a14 to 2.0.0a16, the API of 2021."""
