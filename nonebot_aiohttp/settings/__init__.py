"""What is said of a wrong setting: where it stands, what is wanted, and what to write instead."""
