"""The code that the tests share: scripted peers, a clock, and checks for leaks."""
