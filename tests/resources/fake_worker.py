"""A stand-in for the training worker, standard library only: what it does is said in run.json.

Keys: work, steps, step_s, exit (code by rank), kill (rank -> step of a SIGKILL to itself), fail_attempts (attempts that
fail), ignore_term, hang_after (no heartbeat from this step on), truncate (drop the last lines first), boom (raise).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    run = json.loads(Path(sys.argv[1]).read_text())
    work, rank = Path(run["work"]), int(os.environ["RANK"])
    with (work / f"pid-{rank}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    attempt = len((work / f"pid-{rank}").read_text().split())
    if run.get("environment"):
        (work / f"env-{rank}.json").write_text(json.dumps(dict(os.environ)))
    if run.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    elif run.get("checkpoint_on_term"):
        signal.signal(signal.SIGTERM, lambda *_: checkpoint(work))
    if run.get("truncate") and rank == 0 and attempt > 1:
        metrics = work / "metrics.jsonl"
        kept = metrics.read_bytes().splitlines(keepends=True)[: -run["truncate"]]
        metrics.write_bytes(b"".join(kept))
    fails = attempt <= run.get("fail_attempts", 10**9)
    if run.get("boom") == rank and fails:
        raise ValueError("boom")
    for step in range(int(run.get("first", {}).get(str(attempt), 0)), int(run.get("steps", 3))):
        time.sleep(run.get("step_s", 0.02))
        if run.get("kill", {}).get(str(rank)) == step and fails:
            os.kill(os.getpid(), signal.SIGKILL)
        if rank == 0 and step < run.get("hang_after", 10**9):
            beat(work, step)
    if (code := run.get("exit", {}).get(str(rank))) and fails:
        print(f"the worker says {code}", file=sys.stderr)
        return int(code)
    if rank == 0:
        (work / "result").mkdir(exist_ok=True)
        (work / "result" / "done.json").write_text("{}")
    return 0


def beat(work: Path, step: int) -> None:
    record = {"step": step, "loss": 1 / (step + 1), "time_ms": time.time_ns() // 10**6}
    with (work / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    temporary = work / "heartbeat.tmp"
    temporary.write_text(json.dumps({"step": step, "pid": os.getpid(), "n": time.monotonic_ns()}))
    temporary.replace(work / "heartbeat")


def checkpoint(work: Path) -> None:
    (work / "checkpoint").write_text("written")
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
