#!/bin/sh
# Checks the layering from the #include lines: a layer includes only itself and earlier ones, a role no other role.
# Usage: tests/layers.sh LAYER... -- ROLE...
set -u
cd "$(dirname "$0")/.." || exit 1
seen=""; bad=0; roles=""; in_roles=0; layers=""
for name in "$@"; do
	if [ "$name" = -- ]; then in_roles=1; continue; fi
	if [ $in_roles = 1 ]; then roles="$roles $name"; else layers="$layers $name"; fi
done
check() {	# folder, the names it may include
	dir=mtad/$1; [ -d "$dir" ] || dir=$1
	for f in "$dir"/*.[ch] "$dir"/*.def; do
		[ -f "$f" ] || continue
		for inc in $(sed -n 's/^#[ \t]*include "\([a-z0-9_]*\)\/.*/\1/p' "$f" | sort -u); do
			case " $2 " in
			*" $inc "*) ;;
			*) echo "$f: includes \"$inc/...\", which $1 may not use (it may use:$2)"; bad=$((bad + 1)) ;;
			esac
		done
	done
}
for l in $layers; do seen="$seen $l"; check "$l" "$seen"; done
for r in $roles; do check "$r" "$layers $r"; done
for f in mtactl/*.[ch] tui/*.[ch]; do
	[ -f "$f" ] || continue
	for r in $roles; do
		if grep -qE "^#[ 	]*include \"(mtad/)?$r/" "$f"; then echo "$f: includes the role $r"; bad=$((bad + 1)); fi
	done
done
[ $bad = 0 ] && echo "layers: clean"
exit $((bad > 0))
