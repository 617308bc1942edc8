"""Tests of the measurement of the load of other programs."""

import subprocess
import sys
import time

from suite.other_load import OtherLoad, cpu_seconds


def test_load_of_other_programs():
    command = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(command) as process:
        try:
            others, nobody = OtherLoad(list), OtherLoad(lambda: [process.pid])
            start = time.monotonic()
            while cpu_seconds(process.pid) < 0.5:
                time.sleep(0.05)
            share = 0.5 / (time.monotonic() - start)
            busy = others.busy_cpus()
            assert busy > 0.8 * share
            assert nobody.busy_cpus() < busy - 0.8 * share
        finally:
            process.kill()
