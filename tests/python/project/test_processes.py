"""Promise 6 (manners) for whole processes: fork with a thread pool, and exit during a call.

Each script runs in its own interpreter.
"""

from __future__ import annotations

import pytest

from helpers.fresh_process import HANG, TWO_THREADS, run_script

pytestmark = pytest.mark.usefixtures("two_cpus")

# An alarm kills a child that hangs, so that the test fails instead of hanging.
FORK = f"""{TWO_THREADS}
import os, signal, sys, threading
expected = net(x)[0]

def child_is_right(leave):
    pid = os.fork()
    if pid == 0:
        signal.alarm({HANG // 4})
        right = all(np.array_equal(net(x)[0], expected) for _ in range(3)) and gatecell._core.thread_pool_size() >= 1
        leave(0 if right else 3)
    return os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
def test_a_child_works_after_a_call_on_two_threads(leave: str) -> None:
    run_script(f"{FORK}\nassert child_is_right({leave})\nassert np.array_equal(net(x)[0], expected)")


def test_a_child_works_if_another_thread_is_in_a_call() -> None:
    run_script(f"""{FORK}
done = threading.Event()
def work():
    while not done.is_set():
        net(x)
thread = threading.Thread(target=work)
thread.start()
try:
    assert all([child_is_right(os._exit) for _ in range(30)])
    assert np.array_equal(net(x)[0], expected)
finally:
    done.set()
    thread.join()
""")


def test_a_child_of_a_child_works() -> None:
    run_script(f"""{FORK}
pid = os.fork()
if pid == 0:
    signal.alarm({HANG // 2})
    net(x)
    os._exit(0 if child_is_right(os._exit) else 3)
assert os.waitpid(pid, 0)[1] == 0
""")


# While the interpreter shuts down, daemon threads are in calls or return from calls. Slow delays the shutdown to give
# them time: Python deletes the objects in sys last, and the frames of the daemon threads keep __main__ alive.
EXIT = f"""{TWO_THREADS}
import os, sys, threading, time
class Slow:
    def __del__(self, sleep=time.sleep, write=os.write):
        sleep(0.3)
        write(1, b"torn down")
sys.slow = Slow()
def calls(x):
    while True:
        net(x)
"""


@pytest.mark.parametrize("steps", [10, 100, 20000])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_the_interpreter_exits_during_a_call(num_threads: int, steps: int) -> None:
    """Short calls keep the GIL. Longer calls release it and take it again. The longest calls outlast the interpreter.

    Python's debug allocator ends the process if memory is freed without the GIL.
    """
    script = f"""{EXIT}
net = make(num_threads={num_threads})
for _ in range(3):
    threading.Thread(target=calls, args=(np.zeros(({steps}, 8, 64), "float32"),), daemon=True).start()
time.sleep(0.2)
"""
    assert run_script(script, PYTHONMALLOC="debug") == "torn down"


def test_the_interpreter_exits_with_an_idle_thread_pool() -> None:
    run_script(f"{TWO_THREADS}\nnet(x)")
