"""What the compatibility tests stand on: drivers, processes, recording servers and peers."""
