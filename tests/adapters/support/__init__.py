"""What the tests of the adapters share: platforms that can be restarted, and what each shall do."""
