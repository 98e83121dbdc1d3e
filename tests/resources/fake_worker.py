"""A stand-in for the training worker, which does what run.json says; standard library only, but for `gloo`.

work            the work folder
steps, step_s   number of steps and seconds of each
exit            exit code by rank
kill            step at which a rank kills itself, by rank
boom            rank that raises
fail_attempts   number of attempts in which the above happens; in all by default
ignore_term     go on when asked to end
term            write a checkpoint when asked to end
hang_after      no sign of life from this step on
truncate        lines of metrics that the second attempt takes back first
first           first step, by number of the attempt
no_result       leave none
environment     write the environment to a file
warns           what rank 0 warns of at its end
gloo            sum over all ranks in every step
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
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
    elif run.get("term"):
        signal.signal(signal.SIGTERM, lambda *_: checkpoint(work))
    if run.get("truncate") and rank == 0 and attempt > 1:
        metrics = work / "metrics.jsonl"
        kept = metrics.read_bytes().splitlines(keepends=True)[: -run["truncate"]]
        metrics.write_bytes(b"".join(kept))
    fails = attempt <= run.get("fail_attempts", 10**9)
    if run.get("boom") == rank and fails:
        raise ValueError("boom")
    total = reducer() if run.get("gloo") else lambda: None
    for step in range(int(run.get("first", {}).get(str(attempt), 0)), int(run.get("steps", 3))):
        time.sleep(run.get("step_s", 0.02))
        if run.get("kill", {}).get(str(rank)) == step and fails:
            os.kill(os.getpid(), signal.SIGKILL)
        total()
        if rank == 0 and step < run.get("hang_after", 10**9):
            beat(work, step)
    if run.get("gloo"):
        leave()
    if rank == 0 and run.get("warns"):
        with (work / "warnings.jsonl").open("a") as file:
            file.write(json.dumps({"said": run["warns"], "time": time.time()}) + "\n")
    if (code := run.get("exit", {}).get(str(rank))) and fails:
        print(f"the worker says {code}", file=sys.stderr)
        return int(code)
    if rank == 0 and not run.get("no_result"):
        (work / "result").mkdir(exist_ok=True)
        (work / "result" / "done.json").write_text("{}")
    return 0


def reducer() -> Callable[[], None]:
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")

    def total() -> None:
        ones = torch.ones(1)
        distributed.all_reduce(ones)
        assert ones.item() == distributed.get_world_size()

    return total


def leave() -> None:
    from torch import distributed

    distributed.barrier()
    distributed.destroy_process_group()


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
