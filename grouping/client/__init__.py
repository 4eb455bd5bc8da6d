"""Client of the HTTP API, for scripts and notebooks.

client = Client("http://127.0.0.1:8000")
job = client.submit(problem="digits", budgets_snt=[2, 3])
job.wait()
job.recommendations()
job.scores()        # a DataFrame

table = client.import_table(Path("table.csv"), name="mine")   # nothing is trained
table.solve(1.5, constraints={"apart": [["depth", "edges"]]})

client.work(train)             # trains for jobs with the trainer `external`; see docs/how-to
"""

from grouping.client.agent import Agent, Train
from grouping.client.assignments import Assignment
from grouping.client.client import Client
from grouping.client.connection import ServiceError
from grouping.client.remote_job import RemoteJob
from grouping.client.remote_table import RemoteTable

__all__ = ["Agent", "Assignment", "Client", "RemoteJob", "RemoteTable", "ServiceError", "Train"]
