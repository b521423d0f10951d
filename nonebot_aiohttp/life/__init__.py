"""When things run: the order of starting and stopping, hooks, tasks, and waiting."""
