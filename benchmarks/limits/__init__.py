"""The package under loads that hurt, with bounds to keep: crowds, floods and greedy peers.

Each program checks its own answers and fails when one was lost or mixed up or a bound was missed:
``python -m benchmarks.limits`` runs them all.
"""
