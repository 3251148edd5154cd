"""Loaded into pytest by `functional`: gives every worker accounts of its own, and writes down how each test went."""

import json
import os


def pytest_configure(config):
    # Workers run at once, and the tests empty the accounts they are given.
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        directory = os.environ["CAIRN_FUNCTIONAL"]
        os.environ["SWIFT_TEST_CONFIG_FILE"] = os.path.join(directory, worker + ".conf")
    else:
        config.pluginmanager.register(Outcomes(os.environ["CAIRN_FUNCTIONAL"]))


class Outcomes:
    """One line of JSON for each test: what it is called, how it went and what it said."""

    def __init__(self, directory):
        self.file = open(os.path.join(directory, "outcomes"), "w", buffering=1)
        self.seen = {}

    def pytest_runtest_logreport(self, report):
        before = self.seen.get(report.nodeid)
        outcome = report.outcome
        if outcome == "failed" and report.when != "call":
            outcome = "error"
        if before and (outcome == "passed" or before != "passed"):
            outcome = before
        self.seen[report.nodeid] = outcome
        if report.when == "teardown" or (report.when == "setup" and outcome != "passed"):
            self.file.write(json.dumps({"test": report.nodeid, "outcome": outcome,
                                        "seconds": round(report.duration, 2)}) + "\n")
        if report.outcome == "skipped" or report.outcome == "failed":
            said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.file.write(json.dumps({"test": report.nodeid, "outcome": outcome, "said": said}) + "\n")
        elif report.when == "call":
            self.file.write(json.dumps({"test": report.nodeid, "outcome": outcome,
                                        "seconds": round(report.duration, 2)}) + "\n")
