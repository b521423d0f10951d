"""Speed of this package beside bare aiohttp and NoneBot2's stock drivers, measured in one run.

``python -m benchmarks`` runs all of it.
"""
