"""What operators see: the status of a driver, and the applications that show it."""
