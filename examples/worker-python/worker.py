#!/usr/bin/env python3
"""A worker for external steps of joborch, with psycopg 3 (python3-psycopg).

    worker.py --queue mail --name press-1 "dbname=app user=mailer"

It takes one step at a time and does with it what handle() says; start several of
them for more at a time.  SIGTERM lets the step in hand end and then stops.
"""

import argparse
import logging
import signal
import socket
import threading
import time

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

log = logging.getLogger("worker")


class Refused(Exception):
    """Raised by handle() for what another try would not mend."""


def handle(step, connection):
    """Your work.  Returns the step's output, or raises what went wrong.

    What is written through this connection is committed together with the step's
    completion: exactly once, or not at all.  Everything else is done at least once,
    since a worker can die after the work and before it has said so.
    """
    payload = step["request"].get("payload")
    if not isinstance(payload, dict) or "text" not in payload:
        raise Refused('the payload has no "text"')
    return {"text": payload["text"].upper(), "worker": step["worker"]}


class Keeper(threading.Thread):
    """Extends the claim while the work goes on, over a connection of its own."""

    def __init__(self, dsn, token, lease):
        super().__init__(daemon=True)
        self.dsn, self.token, self.lease = dsn, token, lease
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(self.lease / 3):
            try:
                with psycopg.connect(self.dsn, autocommit=True) as connection:
                    connection.execute("SELECT joborch.extend_claim(%s)", [self.token])
            except psycopg.Error as error:
                # a lost claim (JO044) shows at the end of the work, too
                log.warning("could not extend the claim: %s", error)


class Worker:
    def __init__(self, dsn, queue, name, lease):
        self.dsn, self.queue, self.name, self.lease = dsn, queue, name, lease
        self.stopping = False
        self.waiting = None     # the connection that waits for work

    def stop(self, *_):
        self.stopping = True
        if self.waiting is not None:
            self.waiting.cancel()

    def run(self):
        while not self.stopping:
            try:
                with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
                    while not self.stopping:
                        step = self.claim(connection)
                        if step is not None:
                            self.carry_out(connection, step)
            except psycopg.OperationalError as error:
                if not self.stopping:
                    log.warning("connecting again in 2 s: %s", error)
                    time.sleep(2)

    def claim(self, connection):
        """Waits up to 20 s for a step; None if there was none."""
        self.waiting = connection
        try:
            return connection.execute(
                "SELECT * FROM joborch.claim_steps(%s, %s, lease => make_interval(secs => %s), wait => '20 s')",
                [self.queue, self.name, self.lease]).fetchone()
        except psycopg.errors.QueryCanceled:
            return None
        finally:
            self.waiting = None

    def carry_out(self, connection, step):
        log.info("run %s, step %s, attempt %s", step["run_id"], step["step"], step["attempt"])
        step["worker"] = self.name
        keeper = Keeper(self.dsn, step["token"], self.lease)
        keeper.start()
        try:
            with connection.transaction():
                output = handle(step, connection)
                connection.execute("SELECT joborch.complete_claim(%s, %s)", [step["token"], Jsonb(output)])
        except Exception as error:
            if getattr(error, "sqlstate", None) == "JO044":
                log.warning("the claim was lost; its work is rolled back")
            elif connection.closed:
                raise
            else:
                self.fail(connection, step, error)
        finally:
            keeper.done.set()

    def fail(self, connection, step, error):
        log.warning("step %s failed: %s", step["step"], error)
        try:
            connection.execute("SELECT joborch.fail_claim(%s, %s, retryable => %s, details => %s)", [
                step["token"], str(error), False if isinstance(error, Refused) else None,
                Jsonb({"exception": type(error).__name__})])
        except psycopg.Error as refusal:
            log.warning("it cannot be told: %s", refusal)


def main():
    parser = argparse.ArgumentParser(description="Carries out external steps of joborch.")
    parser.add_argument("dsn", nargs="?", default="", help="how to connect; PGHOST and so on count too")
    parser.add_argument("--queue", default="default")
    parser.add_argument("--name", default=socket.gethostname())
    parser.add_argument("--lease", type=float, default=60, help="seconds; it is extended while the work goes on")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    worker = Worker(options.dsn, options.queue, options.name, options.lease)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()


if __name__ == "__main__":
    main()
