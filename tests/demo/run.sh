#!/bin/sh
# The demo: a private mtad under run/ on loopback, a few remote hosts that a script plays, real messages in its queue.
# With a terminal it stays up for you to look around; without one it shows a tour as text and ends.
set -u
B=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.." || exit 1
run=$PWD/run
mta="" peer=""

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }
# Each step as the command that shows it.
show() { say "\$ mtactl $*"; "$B/mtactl" -c "$run" --table "$@"; }
ctl() { "$B/mtactl" -c "$run" "$@"; }
finish() {
	trap '' INT TERM EXIT
	[ -z "$mta" ] || { kill "$mta" 2>/dev/null && wait "$mta" 2>/dev/null; }
	[ -z "$peer" ] || { kill "$peer" 2>/dev/null && wait "$peer" 2>/dev/null; }
}
die() { echo "make run: $*" >&2; [ ! -s "$run/log" ] || tail -5 "$run/log" >&2; exit 1; }

if [ -e "$run/queue/pid/master.pid" ] && ctl status >/dev/null 2>&1; then
	echo "make run: a demo is running already in $run; end that one first (mtactl -c run stop)" >&2
	exit 1
fi
rm -rf "$run"
mkdir -p "$run/mail" || exit 1
chmod 755 "$run"
sed "s#@RUN@#$run#g" tests/demo/main.cf >"$run/main.cf"
cp tests/demo/master.cf tests/demo/zone "$run/"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$B/tests/peer" 12525 127.0.0.2=healthy 127.0.0.3=greylist 127.0.0.4=refuse >"$run/peer.log" 2>&1 &
peer=$!
"$B/mtad" -f -u -c "$run" >"$run/stderr" 2>&1 &
mta=$!
tries=0
until ctl status >/dev/null 2>&1; do
	kill -0 $mta 2>/dev/null || { cat "$run/stderr" >&2; mta=""; die "mtad did not start"; }
	tries=$((tries + 1))
	[ $tries -lt 100 ] || die "mtad does not answer"
	sleep 0.1
done

me=$(id -un)
send() {	# sender, recipient, subject
	printf 'From: %s\nTo: %s\nSubject: %s\n\nA message of the demo.\n' "$1" "$2" "$3" |
	    "$B/mtactl" sendmail -C "$run" -f "$1" -- "$2" || die "sendmail failed"
}
send ann@demo.test bob@healthy.test "Lunch on Friday?"
send ann@demo.test "$me@demo.test" "A note for this machine"
send news@demo.test carol@greylist.test "Newsletter 42"
send "$me@demo.test" dave@refuse.test "To somebody who left"
send ann@demo.test erin@dead.test "To a server that is down"
send "$me@demo.test" frank@nowhere.test "To a domain that is not there"

# Until each has met its fate: two stay deferred, all else is gone or bounced to us.
tries=0
while [ $tries -lt 100 ]; do
	n=$(ctl --json queue ls 2>/dev/null | grep -c '"queue_name":"deferred"')
	all=$(ctl --json queue ls 2>/dev/null | grep -c .)
	[ "$n" = 2 ] && [ "$all" = 2 ] && break
	tries=$((tries + 1))
	sleep 0.1
done

id_of() { ctl --json queue ls "$1" | sed -n 's/.*"queue_id":"\([^"]*\)".*/\1/p' | head -1; }
show status
say "Delivered, by the log:"
grep -E 'status=sent' "$run/log" | cut -c1-160
say "Bounced, and the notice that its sender got:"
grep -E 'status=bounced' "$run/log" | cut -c1-200
grep -h -m3 -E '^(Subject|Final-Recipient|Diagnostic-Code):' "$run/mail/$me"/new/* 2>/dev/null | sort -u | head -6
show queue ls
dead=$(id_of @dead.test)
[ -n "$dead" ] || die "the message for dead.test is not in the queue"
show why "$dead"
show cat "$dead"
show hold "$dead"
show release "$dead"
show flush @greylist.test
sleep 1
show queue ls
show doctor || die "doctor found something"

if [ -t 0 ] && [ -t 1 ]; then
	say "The console opens on this queue; q leaves it, and the demo ends then. In another window: $B/mtactl -c $run"
	sleep 2
	"$B/mtatui" -c "$run" || { printf 'No console on this terminal. Press Enter to end the demo. '; read -r _; }
fi
show stop || die "mtad did not stop"
wait "$mta"
status=$?
mta=""
exit $status
