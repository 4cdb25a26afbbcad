#!/usr/bin/env bash
# Every subcommand on a small model: results, JSON fields, and what wrong input says.
#   command_line.sh SPARSELLM_LLAMA MAKE_TINY_MODEL
set -euo pipefail
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$2" "$folder/tiny.gguf"
for _ in $(seq 60); do echo "the cat and the dog, then the other things"; done > "$folder/text"
: > "$folder/empty"
head -c 100000 /dev/urandom > "$folder/noise.gguf"
failures=0
export SPARSELLM_CACHE=$folder/cache

run() { "$program" "$1" --model "$folder/tiny.gguf" --weights f32 "${@:2}"; }

fields() {  # fields FILE NAME...: the JSON has them
  python3 - "$@" <<'PY' || failures=$((failures + 1))
import json, sys
found = json.load(open(sys.argv[1]))
missing = [f for f in sys.argv[2:] if f not in found]
if missing: sys.exit(f"{sys.argv[1]}: no {missing}")
PY
}

refuses() {  # refuses TEXT COMMAND...: exits with an error that contains TEXT
  local text=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  if [ "$status" -eq 0 ] || [ "$status" -ge 128 ] || ! grep -qF -- "$text" <<<"$output"; then
    echo "FAILED (status $status): $*"
    echo "  expected: $text"
    echo "  got: $output"
    failures=$((failures + 1))
  fi
}

run inspect --json "$folder/inspect.json" > /dev/null
fields "$folder/inspect.json" model layers width heads kv_heads vocabulary tensors
run generate --prompt "the cat" --tokens 8 --json "$folder/generate.json" > /dev/null
fields "$folder/generate.json" prompt_ids token_ids text prefill_tokens_per_second \
  decode_tokens_per_second sparsity weight_bytes kv_cache_bytes
run generate --prompt "the cat" --tokens 8 --sparsity 0.5 --temperature 0.7 --seed 3 \
  --json "$folder/sparse.json" > /dev/null
python3 -c "import json,sys; s=json.load(open(sys.argv[1]))['sparsity']['model']; sys.exit(not 0.3<s<0.7)" \
  "$folder/sparse.json"
run calibrate --text "$folder/text" --tokens 256 --window 64 --sparsity 0.4 --sequential \
  --output "$folder/table.json" > /dev/null
fields "$folder/table.json" format version model weight_hash method tokens sites
run perplexity --text "$folder/text" --window 64 --windows 3 --stride 32 --dense-prefix 8 --output-error \
  --thresholds "$folder/table.json" --json "$folder/perplexity.json" > /dev/null
fields "$folder/perplexity.json" perplexity nll perplexity_half2 nll_half2 tokens_scored sparsity output_error
python3 -c "import json,sys; e=json.load(open(sys.argv[1]))['output_error']['model']; sys.exit(not 0.01<e<0.9)" \
  "$folder/perplexity.json"
run bench --sparsity 0,0.5 --tokens 4 --rounds 1 --calibration-text "$folder/text" --json \
  "$folder/bench.json" > /dev/null
fields "$folder/bench.json" results rounds prefill_tokens decode_tokens

# Counts of a text become tables of any sparsity, calibrate's own among them.
run calibrate --text "$folder/text" --tokens 256 --window 64 --sparsity 0.4 --output "$folder/direct.json" \
  --write-counts "$folder/counts.json" > /dev/null
fields "$folder/counts.json" format version model histograms sites
thresholds() { "$program" thresholds --counts "$folder/counts.json" "$@"; }
thresholds --sparsity 0.4 --output "$folder/counted.json" --json "$folder/made.json" > /dev/null
fields "$folder/made.json" model output method tokens target_sparsity sites
python3 - "$folder/direct.json" "$folder/counted.json" << 'same' || { echo "FAILED: another table"; failures=$((failures + 1)); }
import json, sys
direct, counted = (json.load(open(path)) for path in sys.argv[1:])
sys.exit(direct["sites"] != counted["sites"] or not all(s["weight_hash"].strip("0") for s in counted["sites"]))
same
run generate --prompt "the cat" --tokens 4 --thresholds "$folder/counted.json" > /dev/null
thresholds "$folder/counts.json" --sparsity 0.25 --allocation profile --output "$folder/profile.json" \
  --json "$folder/made.json" > /dev/null
python3 -c "import json,sys; m=json.load(open(sys.argv[1])); sys.exit((m['tokens'], m['method']) != (512, 'profile'))" \
  "$folder/made.json" || { echo "FAILED: two files of counts add up"; failures=$((failures + 1)); }

# How a calibration decides: every way writes a table that generate takes.
calibrate() {
  run calibrate --text "$folder/text" --tokens 256 --window 64 --sparsity 0.5 \
    --output "$folder/way.json" "$@" > /dev/null
  run generate --prompt "the cat" --tokens 4 --thresholds "$folder/way.json" > /dev/null
}
for way in "--score wina" "--score cats" "--top-k" "--score wina --top-k" \
  "--allocation profile" "--allocation greedy --search $folder/search.json" \
  "--allocation layers --search $folder/search.json --search-windows 4" \
  "--allocation greedy --norm channel" "--allocation greedy --score wina" "--allocation fisher" \
  "--fit-steps 3" "--sequential --dense-prefix 8 --fit-steps 3 --fit-windows 2 --bias-rate 0.1" \
  "--fit-steps 2 --bias-rate 0" "--allocation fisher --score wina --centre --fit-steps 2" \
  "--allocation fisher --fit-steps 2 --threshold-rate 0"; do
  # shellcheck disable=SC2086
  calibrate $way
done
grep -q '"bias": \[' "$folder/way.json" || { echo "FAILED: no biases in the table"; failures=$((failures + 1)); }
# The model's own text: written once, then read from where it is kept.
for _ in 1 2; do
  run calibrate --text self --tokens 1024 --window 64 --sparsity 0.5 --output "$folder/own.json" > /dev/null
  own=("$SPARSELLM_CACHE"/own-text-*-f32-64-1.json)
  [ -e "${own[0]}" ] || { echo "FAILED: own text is not kept"; failures=$((failures + 1)); }
  if [ -e "$folder/kept" ] && [ "$(stat -c %i "${own[0]}")" != "$(cat "$folder/kept")" ]; then
    echo "FAILED: own text was written again"
    failures=$((failures + 1))
  fi
  stat -c %i "${own[0]}" > "$folder/kept"
done
fields "${own[0]}" format version windows
echo "{" > "${own[0]}"  # what is no such file is written anew
run calibrate --text self --tokens 1024 --window 64 --sparsity 0.5 --output "$folder/again.json" > /dev/null
run calibrate --text "$folder/text" --tokens 256 --window 64 --own-tokens 128 --sparsity 0.5 \
  --output "$folder/both.json" --json "$folder/both" > /dev/null
grep -q '"tokens": 384' "$folder/both" || { echo "FAILED: not 256 tokens of a file and 128 of the model's"; failures=$((failures + 1)); }
refuses "goes beside a text's file" run calibrate --text self --tokens 128 --window 64 --own-tokens 64 --sparsity 0.5 \
  --output "$folder/both.json"
refuses "less than a window of 64" run calibrate --text "$folder/text" --tokens 40 --window 64 --own-tokens 64 --sparsity 0.5 \
  --output "$folder/both.json"
cmp -s "$folder/own.json" "$folder/again.json" || { echo "FAILED: another own text"; failures=$((failures + 1)); }
fields "$folder/search.json" format version identity blocks divisions
cp "$folder/way.json" "$folder/first.json"
# A search goes on from its file: cut off after the first block, it finds the same again.
calibrate --allocation greedy --search "$folder/search.json"
cp "$folder/way.json" "$folder/first.json"
python3 - "$folder/search.json" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
j["blocks"], j["divisions"] = j["blocks"][:1], []
j["blocks"][0]["path"] = j["blocks"][0]["path"][:20]
json.dump(j, open(sys.argv[1], "w"))
PY
calibrate --allocation greedy --search "$folder/search.json"
cmp -s "$folder/way.json" "$folder/first.json" || {
  echo "FAILED: a resumed search found something else"
  failures=$((failures + 1))
}
calibrate_fails() {
  local text=$1
  shift
  refuses "$text" run calibrate --text "$folder/text" --tokens 256 --window 64 --sparsity 0.5 \
    --output "$folder/never.json" "$@"
}
calibrate_fails "magnitude, wina, cats or nonzero expected, got 'loud'" --score loud
calibrate_fails "uniform, profile, fisher, greedy or layers expected, got 'fair'" --allocation fair
calibrate_fails "token or channel expected, got 'max'" --allocation greedy --norm max
calibrate_fails "at least 1 expected, got 0" --allocation greedy --search-windows 0
calibrate_fails "takes no --sparsity" --score nonzero
calibrate_fails "neither --score cats nor --top-k" --allocation greedy --top-k
calibrate_fails "neither --score cats nor --top-k has" --fit-steps 2 --top-k
calibrate_fails "at least 1 window a step" --fit-steps 2 --fit-windows 0
calibrate_fails "a rate above 0 expected" --fit-steps 2 --bias-rate 0 --threshold-rate 0
calibrate_fails "at least 0 expected, got -1" --fit-steps 2 --threshold-rate=-1
calibrate_fails "takes thresholds alone" --score cats --top-k
calibrate_fails "made from '" --allocation greedy --norm channel --search "$folder/search.json"
calibrate_fails "--search '$folder/empty'" --allocation greedy --search "$folder/empty"
calibrate_fails "--search '$folder/noise.gguf'" --allocation greedy --search "$folder/noise.gguf"
if [ -e "$folder/never.json" ]; then
  echo "FAILED: a refused calibration wrote a table"
  failures=$((failures + 1))
fi

for weights in f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 iq4_nl q4_k q5_k q6_k gguf; do
  "$program" generate --model "$folder/tiny.gguf" --weights "$weights" --prompt "the cat" \
    --tokens 4 --sparsity 0.5 --calibration-tokens 256 > /dev/null
done
run generate --prompt "the cat" --tokens 4 --score nonzero > /dev/null
run bench --sparsity 0,0.5 --tokens 4 --rounds 1 --batch 1,3 --calibration-text "$folder/text" \
  --json "$folder/batch.json" > /dev/null
python3 -c "import json,sys; r=json.load(open(sys.argv[1]))['results']; sys.exit(sorted(r[1]['batch_tokens_per_second']) != ['1', '3'])" \
  "$folder/batch.json"
run bench --sparsity 0 --thresholds "$folder/table.json" --tokens 4 --rounds 1 \
  --calibration-text "$folder/text" --json "$folder/with-table.json" > /dev/null
python3 -c "import json,sys; r=json.load(open(sys.argv[1]))['results']; sys.exit(not ([x['sparsity'] for x in r] == [0, 0.4] and 0.2 < r[1]['achieved_sparsity'] < 0.6))" \
  "$folder/with-table.json"
run bench --sparsity 0,0.5 --tokens 4 --rounds 2 --parts --calibration-text "$folder/text" --json "$folder/parts.json" \
  > "$folder/parts"
python3 - "$folder/parts.json" "$folder/parts" <<'PY' || failures=$((failures + 1))
import json, sys
parts = "embedding norms qkv attention out gate_up down head choice".split()
for found in (r["step_milliseconds"] for r in json.load(open(sys.argv[1]))["results"]):
    assert list(found) == ["step", *parts], found
    assert all(found[p] >= 0 for p in parts), found
    assert abs(sum(found[p] for p in parts) - found["step"]) < 1e-9, found
printed = open(sys.argv[2]).read().split("\n")
assert sum(line.split()[:1] == ["attention"] and line.endswith("%") for line in printed) == 2, printed
PY
refuses "on the cpu alone, got --device cuda" run bench --parts --device cuda
refuses "nowhere.json" run bench --sparsity 0 --thresholds "$folder/nowhere.json"

# Layouts by this processor: of its family, and of a file that is measured once.
run generate --prompt "the cat" --tokens 4 --sparsity 0.5 --calibration-tokens 256 --layouts family > /dev/null
run generate --prompt "the cat" --tokens 4 --sparsity 0.5 --calibration-tokens 256 --layouts "$folder/layouts" > /dev/null
cp "$folder/layouts" "$folder/layouts.before"
run generate --prompt "the cat" --tokens 4 --layouts "$folder/layouts" > /dev/null
cmp "$folder/layouts" "$folder/layouts.before" || failures=$((failures + 1))
[ "$(grep -c '^machine ' "$folder/layouts")" = 1 ] || failures=$((failures + 1))
run generate --prompt "the cat" --tokens 4 --threads 1 --layouts "$folder/layouts" > /dev/null
[ "$(nproc)" = 1 ] || [ "$(grep -c '^machine ' "$folder/layouts")" = 2 ] || failures=$((failures + 1))
refuses "line 1: 'sparsellm layout efficiencies 1' expected" run generate --prompt a --tokens 1 --layouts "$folder/text"
refuses "cannot write" run generate --prompt a --tokens 1 --layouts "$folder/nowhere/layouts"
refuses "goes with --device cpu, got cuda" run generate --prompt a --tokens 1 --layouts family --device cuda
refuses "is what --layouts reads" run generate --prompt a --tokens 1 --layouts "$folder/layouts" --json "$folder/layouts"

for weights in f32 q4_1; do
  "$program" bench --shape 2,64,96,4,2 --weights $weights --sparsity 0,0.5 --tokens 4 --prefill 8 \
    --rounds 1 --json "$folder/random.json" > /dev/null
  python3 -c "import json,sys; j=json.load(open(sys.argv[1])); sys.exit(not (j['prefill_tokens'] == 8 and 0.3 < j['results'][1]['achieved_sparsity'] < 0.7))" \
    "$folder/random.json"
done
refuses "LAYERS,WIDTH,HIDDEN,HEADS,KV expected, got '9b'" "$program" bench --shape 9b
refuses "got '1,2,x,4,5'" "$program" bench --shape 1,2,x,4,5
refuses "multiples of 32 expected" "$program" bench --shape 2,100,64,2,2
refuses "got 3 heads for 64 channels" "$program" bench --shape 2,64,64,3,1
refuses "2 heads cannot share 0" "$program" bench --shape 2,64,64,2,0
refuses "1 to 1024 layers" "$program" bench --shape 0,64,64,2,2
refuses "got 'i8'" "$program" bench --shape 1b --weights i8
refuses "excludes" run bench --shape 1b
run perplexity --text "$folder/text" --window 64 --windows 2 --sparsity 0.5 --dense-fraction 0.5 \
  --json "$folder/fraction.json" > /dev/null
python3 -c "import json,sys; sys.exit(json.load(open(sys.argv[1]))['dense_prefix'] != 32)" \
  "$folder/fraction.json"
run perplexity --sweep --text "$folder/text" --window 64 --windows 2 --calibration-text "$folder/text" \
  --calibration-tokens 128 --json "$folder/sweep.json" > "$folder/sweep.txt"
fields "$folder/sweep.json" results text model
grep -q "^ *60 %" "$folder/sweep.txt" || { echo "sweep: no row of 60 %: $(cat "$folder/sweep.txt")"; exit 1; }
refuses "goes with neither" run perplexity --sweep --text "$folder/text" --window 64 --windows 2 --sparsity 0.5
refuses "--dense-fraction" run perplexity --text "$folder/text" --sparsity 0.5 --dense-fraction 1.5
refuses "--dense-fraction" run perplexity --text "$folder/text" --dense-prefix 3 --dense-fraction 0.5
refuses "1 to 64 sequences expected, got 0" run bench --batch 0
refuses "cpu or cuda expected, got 'tpu'" run generate --prompt "the" --tokens 1 --device tpu
# Without a GPU or a compiler for it, one sentence.
[ -e /dev/nvidia0 ] || refuses "cuda" run generate --prompt "the" --tokens 1 --device cuda

# Pruning: a checkpoint that the other commands take, masks and orders in it.
prune() { run prune --text "$folder/text" --tokens 256 --window 64 --output "$folder/pruned" "$@"; }
for metric in magnitude wanda ria e-sparse; do
  prune --metric $metric --shuffle both --json "$folder/prune.json" > /dev/null
done
fields "$folder/prune.json" pruning output seconds retained_score plain_score without_groups_score \
  efficacy output_error layers
"$program" inspect --model "$folder/pruned" --json "$folder/inspect.json" > "$folder/inspected"
fields "$folder/inspect.json" pruned layers vocabulary tokenizer
grep -q "linear layers    0.5312 of dense" "$folder/inspected" ||
  { echo "FAILED: inspect says $(tail -2 "$folder/inspected")"; failures=$((failures + 1)); }
for weights in bf16 i8; do
  "$program" generate --model "$folder/pruned" --weights $weights --prompt "the cat" --tokens 4 \
    --sparsity 0.5 --calibration-tokens 256 > /dev/null
done
"$program" perplexity --model "$folder/pruned" --text "$folder/text" --window 64 --windows 2 > /dev/null
prune --pattern 3:5 --shuffle global --deal zigzag --sequential --dense v,down --dense-layers 0 \
  --metric e-sparse --entropy bits,absolute --bins 32 --alpha 0.5 > /dev/null
"$program" generate --model "$folder/pruned" --prompt "the cat" --tokens 4 > /dev/null
for update in obs sparsegpt; do
  prune --shuffle both --sequential --update $update --damping 0.02 --json "$folder/prune.json" > /dev/null
  "$program" generate --model "$folder/pruned" --prompt "the cat" --tokens 4 > /dev/null
  grep -q "\"update\": \"$update\"" "$folder/prune.json" || { echo "FAILED: no update $update"; failures=$((failures + 1)); }
done
for output in "$folder/pruned" "$folder/gains.gguf"; do
  run prune --text "$folder/text" --tokens 256 --window 64 --output "$output" --gain-steps 3 --gain-windows 2 \
    --gain-rate 0.05 --json "$folder/prune.json" > /dev/null
  fields "$folder/prune.json" divergences
  "$program" generate --model "$output" --prompt "the cat" --tokens 4 > /dev/null
done
refuses "a number in (0, 1) expected, got 0" prune --gain-steps 2 --gain-rate 0
refuses "at least 1 expected, got 0" prune --gain-steps 2 --gain-windows 0
refuses "none, obs or sparsegpt expected, got 'luck'" prune --update luck
refuses "a number in (0, 1] expected, got 0" prune --update obs --damping 0
prune --update sparsegpt --pattern 3:5 --sequential --target dense --refine 3 > /dev/null
refuses "own or dense expected, got 'luck'" prune --update obs --target luck
refuses "sequential pruning with an update" prune --update obs --target dense
refuses "at most 1000 rounds expected, got 1001" prune --update obs --refine 1001

# A plan: a pattern for each weight, and what inspect says of either file that is made with it.
plan() { run plan --text "$folder/text" --tokens 256 --window 64 --output "$folder/plan.json" "$@"; }
plan --size 6:8 --fisher-windows 0 > "$folder/said"
plan --size 6:8 --update obs --json "$folder/planned.json" > "$folder/said"
fields "$folder/planned.json" output size target_size patterns output_error
grep -q "of the dense linear layers" "$folder/said" || { echo "FAILED: plan says $(cat "$folder/said")"; failures=$((failures + 1)); }
for output in "$folder/pruned" "$folder/planned.gguf"; do
  run prune --text "$folder/text" --tokens 256 --window 64 --output "$output" --plan "$folder/plan.json" \
    --shuffle both > /dev/null
  "$program" generate --model "$output" --prompt "the cat" --tokens 4 > /dev/null
  "$program" inspect --model "$output" > "$folder/inspected"
  grep -Eq "pruned down .* [0-9]+ x (dense|[0-9]+:[0-9]+)" "$folder/inspected" ||
    { echo "FAILED: inspect says $(tail "$folder/inspected")"; failures=$((failures + 1)); }
done
rm "$folder/planned.gguf"
refuses "a number in (0, 1] or a pattern N:M expected, got '2'" plan --size 2
refuses "a size of at least" plan --size 0.1
refuses "N:M expected, as 2:4, got 'x'" plan --patterns x
refuses "cannot open" prune --plan /no/such/plan
sed 's/"layer": 1,/"layer": 7,/' "$folder/plan.json" > "$folder/other.json"
refuses "no pattern for layer 1 q" prune --plan "$folder/other.json"
sed 's/"weight_hash": "./"weight_hash": "x/' "$folder/plan.json" > "$folder/other.json"
refuses "16 hexadecimal digits" prune --plan "$folder/other.json"
sed 's/"weight_hash": "..../"weight_hash": "0123/' "$folder/plan.json" > "$folder/other.json"
refuses "plan: made for the model" prune --plan "$folder/other.json"
refuses "--plan" prune --plan "$folder/plan.json" --pattern 2:4

# Interrupted after a block and gone on with: the same bytes.
kept() { prune --shuffle both --sequential --update sparsegpt --target dense --state "$folder/state" "$@"; }
kept --json "$folder/prune.json" > /dev/null
fields "$folder/prune.json" resumed_blocks
cp "$folder/pruned/model.safetensors" "$folder/whole"
[ ! -e "$folder/state" ] || { echo "FAILED: the state stays"; failures=$((failures + 1)); }
"$program" prune --model "$folder/tiny.gguf" --weights f32 --text "$folder/text" --tokens 256 --window 64 \
  --output "$folder/pruned" --shuffle both --sequential --update sparsegpt --target dense --state "$folder/state" \
  > /dev/null 2>&1 &
child=$!
until [ -e "$folder/state/block-0" ] || ! kill -0 "$child" 2> /dev/null; do sleep 0.01; done
kill -INT "$child" 2> /dev/null || true
wait "$child" || true
kept > /dev/null
cmp "$folder/pruned/model.safetensors" "$folder/whole" || { echo "FAILED: other bytes"; failures=$((failures + 1)); }
kept --dense-layers 0,1 2> /dev/null && { echo "FAILED: nothing was pruned"; failures=$((failures + 1)); }
[ -e "$folder/state/block-0" ] || { echo "FAILED: no state of block 0"; failures=$((failures + 1)); }
refuses "made from another model, text or options" kept
rm -r "$folder/state"
kept --dense-layers 0,1 2> /dev/null || true
truncate -s -1 "$folder/state/block-0"
refuses "block-0': it is damaged" kept
rm -r "$folder/state"

# The model along other axes: one file, whose perplexity is the model's.
rotate() { run rotate --text "$folder/text" --tokens 256 --window 64 --output "$folder/turned.gguf" "$@"; }
rotate --json "$folder/rotate.json" > /dev/null
fields "$folder/rotate.json" output rotation bytes
"$program" inspect --model "$folder/turned.gguf" --json "$folder/inspect.json" > "$folder/inspected"
fields "$folder/inspect.json" rotation
scored() { "$program" perplexity --model "$1" --weights f32 --text "$folder/text" --window 64 --windows 2; }
[ "$(scored "$folder/turned.gguf" | cut -c1-16)" = "$(scored "$folder/tiny.gguf" | cut -c1-16)" ] ||
  { echo "FAILED: another perplexity along other axes"; failures=$((failures + 1)); }
"$program" calibrate --model "$folder/turned.gguf" --text "$folder/text" --tokens 256 --window 64 --sparsity 0.5 \
  --output "$folder/turned.json" > /dev/null
refuses "whose name ends in .gguf, got" run rotate --text "$folder/text" --output "$folder/turned"
refuses "rotate writes f32, f16 or bf16, got 'q8_0'" "$program" rotate --model "$folder/tiny.gguf" --weights q8_0 \
  --text "$folder/text" --output "$folder/turned.gguf"
refuses "at least 2 expected, got 1" run rotate --text "$folder/text" --output "$folder/turned.gguf" --tokens 1
refuses "a dense model expected" "$program" rotate --model "$folder/pruned" --text "$folder/text" --tokens 256 \
  --window 64 --output "$folder/twice.gguf"

# What a pattern saves of published shapes, from the shape alone.
"$program" inspect --shape 7b --json "$folder/inspect.json" > "$folder/inspected"
fields "$folder/inspect.json" kinds linears embeddings_head_norms model
grep -Eq "linear layers .* 43.75 % saved" "$folder/inspected" ||
  { echo "FAILED: inspect says $(cat "$folder/inspected")"; failures=$((failures + 1)); }
grep -Eq "^model .* 42.05 % saved" "$folder/inspected" ||
  { echo "FAILED: inspect says $(cat "$folder/inspected")"; failures=$((failures + 1)); }
refuses "13b, 70b or LAYERS" "$program" inspect --shape 9b
refuses "--shape" "$program" inspect --shape 7b --model "$folder/tiny.gguf"
refuses "f32, f16 or bf16 expected with --shape" "$program" inspect --shape 7b --weights q8_0
refuses "a dense one expected" "$program" prune --model "$folder/pruned" --text "$folder/text" \
  --tokens 256 --window 64 --output "$folder/twice"
refuses "N:M expected, as 2:4, got '2-4'" prune --pattern 2-4
refuses "1 <= N < M <= 32 expected, got 4:4" prune --pattern 4:4
refuses "ria or e-sparse expected, got 'luck'" prune --metric luck
refuses "local or both expected, got 'some'" prune --shuffle some
refuses "absolute or rms expected, got 'base3'" prune --metric e-sparse --entropy base3
refuses "gate, up or down expected, got 'w'" prune --dense w
refuses "at least 2 channels expected, got 1" prune --block 1
refuses "every projection was left dense" prune --dense q,k,v,o,gate,up,down
refuses "into a directory, got 'q8_0'" "$program" prune --model "$folder/tiny.gguf" \
  --text "$folder/text" --tokens 256 --output "$folder/x" --weights q8_0
refuses "q8_0 into a .gguf, got 'q4_0'" "$program" prune --model "$folder/tiny.gguf" \
  --text "$folder/text" --tokens 256 --output "$folder/x.gguf" --weights q4_0
refuses "cannot write" run prune --text "$folder/text" --tokens 256 --output /no/such/folder/x.gguf
# A GGUF: what it scores is what the directory does; 3:5 is loaded as dense weights from either.
score() {
  "$program" perplexity --model "$1" --weights "$2" --text "$folder/text" --window 64 --windows 2 \
    --json "$folder/score.json" > /dev/null
  python3 -c "import json,sys; print(json.load(open(sys.argv[1]))['nll'])" "$folder/score.json"
}
to_gguf() {
  "$program" prune --model "$folder/tiny.gguf" --text "$folder/text" --tokens 256 --window 64 "$@"
}
to_gguf --weights f32 --pattern 3:5 --output "$folder/three" > /dev/null
to_gguf --weights f32 --pattern 3:5 --output "$folder/three.gguf" > "$folder/said"
grep -q "three.gguf, a GGUF of f32 weights with zeros in place" "$folder/said" ||
  { echo "FAILED: prune says $(cat "$folder/said")"; failures=$((failures + 1)); }
[ "$(score "$folder/three" f32)" = "$(score "$folder/three.gguf" f32)" ] ||
  { echo "FAILED: a GGUF scores otherwise than the directory"; failures=$((failures + 1)); }
to_gguf --weights q8_0 --output "$folder/eight.gguf" > /dev/null
# A pipe is written to and stays; what comes out is the file.
mkfifo "$folder/pipe.gguf"
cat "$folder/pipe.gguf" > "$folder/piped" &
sleep 1  # until it reads
to_gguf --weights f32 --pattern 3:5 --output "$folder/pipe.gguf" > /dev/null
wait $!
cmp -s "$folder/piped" "$folder/three.gguf" && [ -p "$folder/pipe.gguf" ] ||
  { echo "FAILED: a pipe got something else"; failures=$((failures + 1)); }
score "$folder/eight.gguf" gguf > /dev/null
refuses "cannot make the directory" run prune --text "$folder/text" --tokens 256 --output /dev/null/x
refuses "config.json" "$program" inspect --model "$folder"

long() { run generate --prompt a --tokens 4 "$@"; }
refuses "a number in [0, 1) expected, got 1" long --sparsity 1
refuses "a number in [0, 1) expected, got -0.5" long --sparsity -0.5
refuses "a number in [0, 1) expected, got nan" long --sparsity nan
refuses "this machine runs at once; got 100000" long --threads 100000
refuses "--threads" long --threads 0
refuses "q6_k or i8 expected, got 'int3'" "$program" generate --model "$folder/tiny.gguf" \
  --weights int3 --prompt a --tokens 1
refuses "a whole number expected, got '-1'" run bench --rounds -1
refuses "name the same file" run calibrate --text "$folder/text" --tokens 256 --window 64 --sparsity 0.5 \
  --output "$folder/both.json" --json "$folder/both.json"
refuses "at least 1 expected, got 0" run generate --prompt a --tokens 0
refuses "the text gives no tokens" run generate --prompt "" --tokens 4
refuses "at least 0, got -1" long --temperature -1
refuses "cannot open '/no/such/table'" long --thresholds /no/such/table
refuses "excludes" long --thresholds "$folder/table.json" --sparsity 0.5
refuses "cannot open '/no/such/model'" "$program" inspect --model /no/such/model
refuses "does not begin with 'GGUF'" "$program" inspect --model "$folder/noise.gguf"
refuses "is empty or not a file" "$program" inspect --model "$folder/empty"
refuses "holds 0 tokens" run perplexity --text "$folder/empty"
refuses "enough for" run perplexity --text "$folder/text" --window 64 --windows 1000
refuses "at least 4 tokens" run perplexity --text "$folder/text" --window 1
refuses "holds 0 tokens" run calibrate --text "$folder/empty" --tokens 64 --sparsity 0.5 --output "$folder/x"
refuses "cannot write" run calibrate --text "$folder/text" --tokens 64 --sparsity 0.5 \
  --output /no/such/folder/table.json
refuses "positions" run generate --prompt a --tokens 5000
# A name is for people; the weights decide.
sed 's/"model": "tiny"/"model": "other"/' "$folder/table.json" > "$folder/other.json"
long --thresholds "$folder/other.json" > /dev/null
sed 's/"weight_hash": "../"weight_hash": "0f/' "$folder/other.json" > "$folder/hashed.json"
refuses "made for the model 'other'" long --thresholds "$folder/hashed.json"
sed 's/"weight_hash": "./"weight_hash": "x/' "$folder/table.json" > "$folder/hash.json"
refuses "16 hexadecimal digits" long --thresholds "$folder/hash.json"
head -c 500 "$folder/table.json" > "$folder/cut.json"
refuses "cut.json': JSON, line" long --thresholds "$folder/cut.json"
sed 's/"inputs": 64, \(.*\)"weight_hash": "./"inputs": 64, \1"weight_hash": "f/' "$folder/counted.json" > "$folder/hash.json"
refuses "is a weight with hash" long --thresholds "$folder/hash.json"
refuses "cannot open '/no/such/counts'" "$program" thresholds --counts /no/such/counts --sparsity 0.5 --output "$folder/x"
refuses "whose \"format\" is \"sparsellm-counts\"" "$program" thresholds --counts "$folder/table.json" --sparsity 0.5 \
  --output "$folder/x"
refuses "whose \"format\" is \"sparsellm-thresholds\"" long --thresholds "$folder/counts.json"
refuses "in [0, 1) expected, got 1" thresholds --sparsity 1 --output "$folder/x"
refuses "uniform or profile expected, got 'greedy'" thresholds --sparsity 0.5 --allocation greedy --output "$folder/x"
refuses "cannot write" thresholds --sparsity 0.5 --output /no/such/folder/table.json
refuses "is what --counts reads" thresholds --sparsity 0.5 --output "$folder/counts.json"
refuses "--counts is required" "$program" thresholds --sparsity 0.5 --output "$folder/x"
head -c 500 "$folder/counts.json" > "$folder/cut.json"
refuses "cut.json': JSON, line" "$program" thresholds --counts "$folder/cut.json" --sparsity 0.5 --output "$folder/x"
sed 's/"weight_hash": "./"weight_hash": "x/' "$folder/counts.json" > "$folder/hash.json"
refuses "16 hexadecimal digits" "$program" thresholds --counts "$folder/hash.json" --sparsity 0.5 --output "$folder/x"
sed 's/"weight_hash": "../"weight_hash": "0f/' "$folder/counts.json" > "$folder/other.json"
refuses "other.json' and what is before it: activation counts: layer 0 q is a weight with hash" \
  thresholds "$folder/other.json" --sparsity 0.5 --output "$folder/x"
refuses "--write-counts: |x| in the dense model" run calibrate --text "$folder/text" --tokens 256 --sparsity 0.5 \
  --score wina --output "$folder/x" --write-counts "$folder/x.counts"
refuses "--output and --write-counts name the same file" run calibrate --text "$folder/text" --tokens 256 --sparsity 0.5 \
  --output "$folder/both.json" --write-counts "$folder/both.json"
SPARSELLM_ISA=avx9 refuses "got 'avx9'" long
[ ! -e "$folder/x" ] || { echo "FAILED: a refused calibration left a file"; failures=$((failures + 1)); }

# Ctrl-C or SIGTERM while it works: status 130 or 143 and no file, unless it was done before.
handles_signals() {  # whether a program, by its number, has got to where it listens to SIGTERM
  local caught
  caught=$(sed -n 's/^SigCgt:\s*//p' "/proc/$1/status" 2> /dev/null)
  (( 0x${caught:-0} & 1 << 14 ))
}
for signal in INT:130 TERM:143; do
  "$program" calibrate --model "$folder/tiny.gguf" --text "$folder/text" --tokens 100000 --window 2 \
    --sparsity 0.5 --output "$folder/${signal%:*}.json" > /dev/null 2> "$folder/said" &
  child=$!
  until handles_signals "$child" || ! kill -0 "$child" 2> /dev/null; do :; done
  kill -"${signal%:*}" "$child" 2> /dev/null || true
  status=0
  wait "$child" || status=$?
  [ "$status" -eq 0 ] && continue
  if [ "$status" -ne "${signal#*:}" ] || [ -e "$folder/${signal%:*}.json" ] || ! grep -q interrupted "$folder/said"; then
    echo "FAILED: interrupted by $signal with status $status"
    failures=$((failures + 1))
  fi
done
if ls -A "$folder" | grep partial; then
  echo "FAILED: half a file"
  failures=$((failures + 1))
fi

[ "$failures" -eq 0 ] || { echo "$failures failed"; exit 1; }
echo "the command line does what docs/llama.md says"
