#!/bin/sh
# Line coverage after the unit tests ran in build/cover: a line a source file, lowest first, and the whole.
set -u
B=$1
find "$B/obj/mtad" -name '*.gcda' | while read -r data; do
	gcov -n "$data" 2>/dev/null | awk -v RS= '/^File .mtad\// { split($0, l, "\n"); gsub(/File |\x27/, "", l[1]);
		match(l[2], /[0-9.]+%/); p = substr(l[2], RSTART, RLENGTH - 1); n = l[2]; sub(/.* of /, "", n); print p, n, l[1] }' | grep '\.c$'
done | sort -n | awk '{ printf "%6.1f%% of %5d  %s\n", $1, $2, $3; hit += $1 * $2 / 100; all += $2 }
	END { if (all) printf "%6.1f%% of %5d  all\n", 100 * hit / all, all }'
