"""What the tests share: scripted peers, a clock, and checks that nothing is left behind."""
