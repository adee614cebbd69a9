"""Names of what lies in a results folder, for all who look into one; imports nothing, so that a look stays cheap."""

RUN_FILE = "run.json"  # in a run's directory, written last: the truth about the run
SUITE_FILE = "suite.json"  # in a suite's folder: the suite as it was resolved
FAILURES = "failures"  # folder beside the suite's file: one document for each of its runs that failed
SHARED_STAGES = "stages"  # folder beside the runs that holds none
REPORT_FILE = ".report.json"  # beside a report's files: what they were made from
