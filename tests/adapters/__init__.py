"""Adapters of NoneBot2's store, each against a platform that its protocol's documents describe."""
