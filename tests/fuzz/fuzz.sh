#!/bin/sh
# tests/fuzz/fuzz.sh time SECONDS TARGET... | runs COUNT TARGET...   Two targets at once. Findings stay in build/fuzz-findings/.
set -u
cd "$(dirname "$0")/../.." || exit 1
how=$1 much=$2
shift 2
if [ $# -gt 1 ]; then
	printf '%s\n' "$@" | xargs -n 1 -P 2 tests/fuzz/fuzz.sh "$how" "$much"
	exit $(($? > 0))
fi
t=$1
[ "$much" -gt 0 ] || much=1	# for libFuzzer 0 is for ever
work=build/fuzz-corpus/$t
mkdir -p build/fuzz-findings "$work" "tests/fuzz/seeds/$t"
dict=""
[ -f "tests/fuzz/$t.dict" ] && dict="-dict=tests/fuzz/$t.dict"
if [ "$how" = time ]; then limit="-max_total_time=$much"; else limit="-runs=$much"; fi
if UBSAN_OPTIONS=halt_on_error=1 "build/fuzz/fuzz/$t" $limit $dict -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz-findings/$t-" "$work" "tests/fuzz/seeds/$t" >"build/fuzz-$t.log" 2>&1; then
	done=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "build/fuzz-$t.log" | tail -1)
	echo "fuzz $t: ${done:-?} runs, no finding"
	exit 0
fi
echo "fuzz $t: FINDING, see build/fuzz-$t.log"
grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "build/fuzz-$t.log" | head -5
exit 1
