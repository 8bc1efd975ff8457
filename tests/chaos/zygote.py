"""A process that has imported the gateway once and forks one whenever it is asked: a start without the imports.

`python -m tests.chaos.zygote` reads orders from its input and tells on its output what happened, a JSON object a line:

- in: `{"fork": {"NAME": "value", …}, "log": "/path", "haste": {…}}`, the environment and the log of a gateway to start,
  and how fast its time runs (`haste.py`);
- out: `{"forked": pid}`, later `{"stopped": pid}` each time it stands still and `{"ended": pid, "status": code}`
  (a negative code is the signal that ended it).

Forking is sound only while nothing else runs here: gRPC starts its threads with the first server, and no thread of ours
exists before the gateway's own. That is checked before every fork.
"""

import gc
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

# Everything that a gateway will need: imported here, it is there at once in every fork.
import brokergw.app.run
import brokergw.store.check
from brokergw.app.settings import Settings
from tests.chaos.haste import Haste

_UNFIT: Final = 70


def main() -> None:
    """Fork until the input ends, then kill what still runs."""
    gc.collect()
    gc.freeze()
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing)
    children: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        _say(ready=os.getpid())
        while True:
            for key, _ in selector.select():
                if key.fileobj == reading:
                    os.read(reading, 4096)
                    _tell_of(children)
                elif line := sys.stdin.readline():
                    children.add(_fork(json.loads(line)))
                else:
                    _end(children)
                    return


def threads() -> int:
    """Count this process's threads, those of libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))


def _fork(order: Mapping[str, Any]) -> int:
    if threads() != 1:
        sys.exit(f"the zygote has {threads()} threads and must not fork")
    pid = os.fork()
    if pid == 0:
        _become_gateway(order)
    _say(forked=pid)
    return pid


def _become_gateway(order: Mapping[str, Any]) -> NoReturn:
    code = _UNFIT
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(order["fork"])
        haste = Haste(**order["haste"])
        if haste != Haste():
            haste.rule()
        code = brokergw.app.run.serve(Settings())
    except Exception:  # noqa: BLE001 - this is where the interpreter would tell of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell_of(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            _say(stopped=pid)
        else:
            children.discard(pid)
            _say(ended=pid, status=os.waitstatus_to_exitcode(status))


def _end(children: set[int]) -> None:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _say(**what: int) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
