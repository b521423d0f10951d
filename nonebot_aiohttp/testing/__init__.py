"""A kit for authors of adapters: a platform with its faults, and bots under any driver."""
