#!/bin/sh
# SPDX-FileCopyrightText: The sparsellm authors
# SPDX-License-Identifier: Apache-2.0
#
# Tests and measures on the GPU of this machine, what matters most first, within 9 minutes:
#   run.sh OUT
# script/gpu-day build puts it into a folder with the programs it runs; it works from any folder and writes into OUT
# alone, at most 5 files: results.jsonl (a line a result, out as it comes), log.txt, facts.txt, sanitizer.txt, ncu.txt.
# Ends with 0, with 1 when something failed, with 3 where there is no GPU; what was not run is named in results.jsonl.
#
# GPU_DAY_SECONDS: for all of it (540). GPU_DAY_LAUNCHER, GPU_DAY_TINY: a rehearsal without a GPU, a program in front of
# those here that runs them, and shapes as small as it can bear.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ne 1 ]; then
  echo "usage: run.sh OUT" >&2
  exit 2
fi
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
cd "$here" || exit 2
began=$(date +%s)
limit=${GPU_DAY_SECONDS:-540}
launcher=${GPU_DAY_LAUNCHER:-}
options=${GPU_DAY_TINY:+--tiny}
[ -d histograms ] && options="$options --histograms=$here/histograms"
results=$out/results.jsonl log=$out/log.txt
: > "$results" && : > "$log" || exit 2
stopped=''  # why nothing runs any more
failed=0

# NAME STATUS SECONDS
say() {
  printf '\n{"kind": "step", "name": "%s", "status": "%s", "seconds": %s}\n' "$1" "$2" "$3" >> "$results"
  echo "$1: $2, $3 s"
}

# What a lender of machines gives back is bounded: no file grows beyond 15 MB.
bound() {
  if [ "$(wc -c < "$1")" -gt 15000000 ]; then truncate -s 15000000 "$1"; fi
}

# step NAME SECONDS FILE COMMAND...: standard output goes to FILE, errors to the log.
step() {
  step_name=$1 step_limit=$2 step_file=$3
  shift 3
  step_left=$((limit - $(date +%s) + began))
  if [ -n "$stopped" ]; then
    say "$step_name" "skipped: $stopped" 0
    return 0
  fi
  if [ "$step_left" -lt 5 ]; then
    say "$step_name" "skipped: no time was left" 0
    return 0
  fi
  [ "$step_limit" -gt "$step_left" ] && step_limit=$step_left
  echo "== $step_name" >> "$log"
  step_began=$(date +%s)
  timeout -k 3 "$step_limit" "$@" >> "$step_file" 2>> "$log"
  step_code=$?
  step_took=$(($(date +%s) - step_began))
  bound "$step_file"
  bound "$log"
  case $step_code:$step_name in
    0:*) say "$step_name" passed "$step_took" ;;
    3:facts) say "$step_name" "no GPU" "$step_took" ;; # what the measuring program ends with there
    124:* | 137:*)
      failed=1
      say "$step_name" "stopped at its limit" "$step_took"
      ;;
    *)
      failed=1
      say "$step_name" "failed with $step_code" "$step_took"
      ;;
  esac
  return $step_code
}

# NVIDIA's libraries: where the loader looks, where PyTorch's wheels put them, the toolkit's.
wheels=$(python3 -c 'import glob, sys
print(":".join(f for p in sys.path if p for k in ("nvidia/*/lib", "torch/lib") for f in sorted(glob.glob(p + "/" + k))))' 2> /dev/null)
toolkit=/usr/local/cuda
if command -v nvcc > /dev/null; then toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")"); fi
libraries=${LD_LIBRARY_PATH:-}${LD_LIBRARY_PATH:+:}$wheels${wheels:+:}$toolkit/lib64

# measure NAME SECONDS FILE ARGUMENT...
measure() {
  measure_name=$1 measure_limit=$2 measure_file=$3
  shift 3
  # shellcheck disable=SC2086 # words of their own, or none
  step "$measure_name" "$measure_limit" "$measure_file" env LD_LIBRARY_PATH="$libraries" $launcher ./measure $options "$@"
}
# The tests of one file.
run_test() {
  # shellcheck disable=SC2086
  step "test $1" "$2" "$log" $launcher ./tests --filenames-as-tags "[#$1]"
}

{
  date -u
  uname -a
  echo "libraries: $libraries"
  ldd measure
  command -v nvidia-smi > /dev/null && nvidia-smi && nvidia-smi -q -d CLOCK,POWER,MEMORY,ECC,PERFORMANCE
} > "$out/facts.txt" 2>&1
[ -f build.json ] && cat build.json >> "$results"

measure facts 40 "$results" facts
facts=$?
if [ "$facts" -eq 3 ]; then
  stopped="there is no GPU"
  echo "run.sh: there is no GPU on this machine, or no driver for it; nothing is measured" >&2
fi

first='executor_test multiply_test semi_structured_product_test'
all=$(tr '\n' ' ' < tests.txt)
for test in $first; do
  case " $all " in *" $test "*) run_test "$test" 60 ;; esac
done
for test in $all; do
  case " $first " in *" $test "*) ;; *) run_test "$test" 45 ;; esac
done
# The same bits every time.
# shellcheck disable=SC2016,SC2086
[ -x bits ] && step "same bits" 30 "$log" sh -c 'a=$("$@") && [ -n "$a" ] && [ "$a" = "$("$@")" ]' sh $launcher ./bits
measure copy 20 "$results" copy
measure cublaslt 45 "$results" cublaslt
measure teal 75 "$results" teal
measure nm 90 "$results" nm
measure formats 90 "$results" formats
measure block 40 "$results" block
measure gemm 45 "$results" gemm
measure choices 40 "$results" choices

# NAME: whether a tool is there, else it is skipped by name.
tool() {
  command -v "$1" > /dev/null && return 0
  say "$2" "skipped: $1 is not installed" 0
  return 1
}
for check in memcheck racecheck synccheck initcheck; do
  # shellcheck disable=SC2086
  tool compute-sanitizer "compute-sanitizer $check" && step "compute-sanitizer $check" 30 "$out/sanitizer.txt" \
    compute-sanitizer --tool "$check" --error-exitcode 86 ./measure $options --tiny --no-peers teal nm formats
done
# profile KERNEL SKIPPED PART: one launch of the part's first shape; the clocks are left as they are.
profile() {
  tool ncu "ncu $1" || return 0
  # shellcheck disable=SC2086
  step "ncu $1" 40 "$out/ncu.txt" ncu --clock-control none --set detailed --kernel-name "regex:$1" --launch-skip "$2" \
    --launch-count 1 ./measure $options --no-peers --shapes=1 "$3"
}
profile channel_kernel 3 teal # a product of each sparsity comes before any loop: the fourth skips 50 %
profile nm_kernel 1 nm

took=$(($(date +%s) - began))
say "all of it" "$([ -n "$stopped" ] && echo "$stopped" || echo ended)" "$took"
[ "$facts" -eq 3 ] && exit 3
exit $failed
