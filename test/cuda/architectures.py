"""No function that all files share calls one of a list of architectures.

architectures.py NVCC INCLUDES SOURCE compiles SOURCE without inlining. In its object file a function whose
name has no list of architectures (arch_...) and that the linker may take from any file must call none whose
name has one: it would be that of whichever file came first.
"""
import re
import subprocess
import sys
import tempfile

nvcc, includes, source = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([nvcc, "-std=c++20", "-Xcompiler=-O0", "-DSPARSELLM_COMPILED", f"-I{includes}", "-gencode",
                    "arch=compute_80,code=compute_80", "-c", source, "-o", f"{folder}/out.o"], check=True)
    symbols = subprocess.run(["nm", f"{folder}/out.o"], capture_output=True, text=True, check=True).stdout
    code = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", f"{folder}/out.o"], capture_output=True,
                          text=True, check=True).stdout

arch = re.compile(r"\d+arch_\d")
weak = set(re.findall(r" W (\S+)", symbols))
bodies = re.split(r"\n[0-9a-f]+ <(\S+)>:\n", code)
calls = {name: {c for c in re.findall(r"R_\S+\s+([A-Za-z_]\w*)", body) if arch.search(c)}
         for name, body in zip(bodies[1::2], bodies[2::2])}
if not any(calls.values()):
    sys.exit("architectures: nothing calls a function of a list of architectures")
wrong = {name: found for name, found in calls.items() if name in weak and not arch.search(name) and found}
if wrong:
    said = "".join(f"\n{name} calls {', '.join(found)}" for name, found in wrong.items())
    sys.exit("architectures: functions that files share call those of one list:"
             + subprocess.run(["c++filt"], input=said, capture_output=True, text=True).stdout)
print(f"{len(weak)} functions that files share; none calls one of a list of architectures")
