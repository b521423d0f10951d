"""What a bot under test tells its test: one JSON object a line, in the file ``JOURNAL``."""

import json
import os


def note(what: str, **data: object) -> None:
    with open(os.environ["JOURNAL"], "a", encoding="utf-8") as journal:
        journal.write(json.dumps({"what": what, **data}) + "\n")
