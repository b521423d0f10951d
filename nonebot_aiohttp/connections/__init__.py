"""What is open: WebSockets, who is connected, sessions and connectors, fairness between peers."""
