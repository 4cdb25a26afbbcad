#!/usr/bin/env python3
"""What script/skipped-tests says of a run: skipped_tests.py SCRIPT."""
import os
import subprocess
import sys
import tempfile

cases = """<testsuite>
<testcase name="passes" status="run"><system-out>skipped: only a word of its output</system-out></testcase>
<testcase name="b" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/><system-out>skipped: no such tool
</system-out></testcase>
<testcase name="a" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/><system-out>skipped: no such tool
</system-out></testcase>
<testcase name="catch2" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/><system-out>test.cpp:3: warning:
  skipped: a text is not there; script/get-it puts it
  there

===============================================================================
</system-out></testcase>
<testcase name="unbuilt" status="notrun"><skipped message="Unable to find executable"/><system-out></system-out></testcase>
</testsuite>"""
expected = """== skipped: 4 tests
Unable to find executable
    unbuilt
a text is not there; script/get-it puts it there
    catch2
no such tool
    a, b
"""
with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "tests.xml"), "w") as f:
        f.write(cases)
    said = subprocess.run([sys.executable, sys.argv[1], f.name], capture_output=True, text=True, check=True).stdout
if said != expected:
    sys.exit(f"expected:\n{expected}\ngot:\n{said}")
