"""Who is tested: a bot in a process of its own, or a driver in the test's loop."""
