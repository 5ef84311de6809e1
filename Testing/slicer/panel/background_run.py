"""A background run as a test sees it."""

import time


class Run:
    """A background run of a script, and what is heard of it."""

    def __init__(self, app, *arguments):
        from LungCancerDxLib.slicer.panel.background import BackgroundRun

        self.app = app
        self.reports: list = []
        self.outcomes: list = []
        self.run = BackgroundRun(["-c", *map(str, arguments)], self.reports.append, self.outcomes.append)
        self.run.start()

    def until_report(self):
        self.app.wait_until(lambda: self.reports)
        return self.reports[-1]

    def until_end(self):
        self.app.wait_until(lambda: self.outcomes, 180)  # a busy machine is slow
        time.sleep(0.05)
        self.app.process_events()
        assert len(self.outcomes) == 1
        assert not self.run.running
        return self.outcomes[0]
