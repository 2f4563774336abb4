#!/bin/sh
# The demo: a private mtad on loopback, a few remote hosts that a script plays, and a queue with five kinds of trouble.
# With a terminal it opens the console on them; without one it shows a tour as text and ends.
#
#   run.sh BUILD [FOLDER [PORT [wait]]]
#
# FOLDER is made, run/ by default; PORT and PORT + 25 are used, 12500 by default. With "wait" it only says "ready", and ends with its input.
set -u
B=$(cd "$1" && pwd)
demo=$(cd "$(dirname "$0")" && pwd)
run=${2:-$demo/../../run} port=${3:-12500}
remote=$((port + 25))
mta="" peers=""

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }
# Each step as the command that shows it.
show() {
	line=""
	for word; do case $word in *[!A-Za-z0-9@%+=:,./_-]*) line="$line '$word'" ;; *) line="$line $word" ;; esac; done
	say "\$ mtactl$line"
	"$B/mtactl" -c "$run" --table "$@"
}
ctl() { "$B/mtactl" -c "$run" "$@"; }
finish() {
	trap '' INT TERM HUP EXIT
	[ -z "$mta" ] || { kill "$mta" 2>/dev/null && wait "$mta" 2>/dev/null; }
	for pid in $peers; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
}
die() { echo "make run: $*" >&2; [ ! -s "$run/log" ] || tail -5 "$run/log" >&2; exit 1; }
# Until a command succeeds, ten seconds at most.
until_so() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || return 1
		sleep 0.1
	done
}
peer() {
	"$B/tests/peer" "$remote" "$@" >>"$run/peer.log" 2>&1 &
	peers="$peers $!"
}
send() {	# sender, recipient, subject
	printf 'From: %s\nTo: %s\nSubject: %s\n\nA message of the demo.\n' "$1" "$2" "$3" |
	    "$B/mtactl" sendmail -C "$run" -f "$1" -- "$2" || die "sendmail failed"
}
count() { ctl --json queue ls "$@" 2>/dev/null | grep -c .; }
id_of() { ctl --json queue ls "$1" | sed -n 's/.*"queue_id":"\([^"]*\)".*/\1/p' | head -1; }

# -- the private instance

if [ -e "$run/queue/pid/master.pid" ] && ctl status >/dev/null 2>&1; then
	echo "make run: a demo is running already in $run; end that one first (mtactl -c run stop)" >&2
	exit 1
fi
[ $# -gt 1 ] || rm -rf "$run"
mkdir -p "$run/mail" && run=$(cd "$run" && pwd) || exit 1
chmod 755 "$run"
for file in main.cf master.cf transport zone; do
	sed "s#@RUN@#$run#g; s#@PORT@#$port#g; s#@REMOTE@#$remote#g" "$demo/$file" >"$run/$file"
done
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

peer 127.0.0.2=healthy 127.0.0.3=greylist 127.0.0.4=refuse 127.0.0.5=full 127.0.0.6=healthy 127.0.0.7=healthy
"$B/mtad" -f -u -c "$run" >"$run/stderr" 2>&1 &
mta=$!
answers() {
	kill -0 $mta 2>/dev/null || { cat "$run/stderr" >&2; mta=""; die "mtad did not start"; }
	ctl status >/dev/null 2>&1
}
until_so answers || die "mtad does not answer"

# -- five kinds of trouble

me=$(id -un)
ctl dest suspend moving.test --reason "they move to a new server, back at noon (ticket 4711)" >/dev/null 2>&1 || die "suspend failed"
send ann@demo.test mia@partner.test "Plans for the new hall"
send bob@demo.test mia@partner.test "Re: Plans for the new hall"
send ann@demo.test noah@partner.test "Delivery dates"
send ann@demo.test erin@back.test "Offer 2031"
send bob@demo.test finn@back.test "Minutes of Monday"
send ann@demo.test gina@moving.test "Welcome, and your account"
send "$me@demo.test" hugo@full.test "Photos of the summer party"
send bob@demo.test ivy@shop.test "Your invoice is overdue"
settled() { [ "$(count)" = 8 ] && [ "$(count 'state = deferred')" = 8 ]; }
until_so settled || die "the queue is not as it should be"
ctl hold @shop.test --reason "looks like phishing: ask Eva in accounting first" >/dev/null 2>&1 || die "hold failed"
# Two servers were down; they are back.
peer 127.0.0.8=healthy 127.0.0.9=healthy

# -- with a terminal: the console on them

if [ "${4:-}" = wait ]; then
	echo ready
	read -r _
	exit 0
fi

if [ -t 0 ] && [ -t 1 ]; then
	say "Eight messages wait, for five reasons. The console shows them: Enter says why, and which key mends it."
	echo "In another window: $B/mtactl -c $run"
	sleep 2
	"$B/mtatui" -c "$run" || { printf 'No console on this terminal. Press Enter to end the demo. '; read -r _; }
	show queue ls
	show stop || die "mtad did not stop"
	wait "$mta"
	status=$?
	mta=""
	exit $status
fi

# -- without one: a tour

send ann@demo.test "$me@demo.test" "A note for this machine"
send news@demo.test carol@greylist.test "Newsletter 42"
send "$me@demo.test" dave@refuse.test "To somebody who left"
tried() { grep -q "status=bounced" "$run/log" && grep -q "greylist.test.*status=deferred" "$run/log"; }
until_so tried || die "mail was not tried"
show status
say "Delivered, by the log:"
grep -E 'status=sent' "$run/log" | cut -c1-160
say "Bounced, and the notice that its sender got:"
grep -E 'status=bounced' "$run/log" | cut -c1-200
notice() { grep -h -m3 -E '^(Subject: Und|Final-Recipient|Diagnostic-Code)' "$run/mail/$me"/new/* 2>/dev/null; }
until_so notice >/dev/null || die "no notice came"
notice
show queue ls
show queue top

say "1. A server that was down and is back: why says so, flush tries again."
id=$(id_of @back.test)
[ -n "$id" ] || die "the message for back.test is not in the queue"
show why "$id"
show cat "$id"
"$B/mtactl" -c "$run" --table trace mx.back.test --count 8 >"$run/trace" 2>&1 &
trace=$!
traced() { ctl debug peer ls 2>/dev/null | grep -q . || sleep 0.3; }
traced
show flush @back.test
wait "$trace"
say "\$ mtactl trace mx.back.test --count 8"
cat "$run/trace"
show story "$id"

say "2. A wrong line in a table: why names the transport, lint the line. map put mends it."
show why "$(id_of @partner.test)"
show lint
show map put transport_maps partner.test 'smtp:[mx.partner.test]' --reload
show requeue @partner.test

say "3. Held by an operator, who said why."
show why "$(id_of @shop.test)"
show release @shop.test

say "4. A destination that an operator suspended."
show why "$(id_of @moving.test)"
show dest resume moving.test

say "5. A mailbox that stays full: its sender should know."
show why "$(id_of @full.test)"
show bounce @full.test --reason "full for weeks"

say "And a server that greylists: it took the mail when it was offered again."
id=$(id_of @greylist.test)
[ -z "$id" ] || show why "$id"
sleep 2
show flush @greylist.test
gone() { [ "$(count)" = 0 ]; }
until_so gone || die "mail is left over"
show queue ls
show journal
show debug peer add mx.back.test 2 --for 10m
show debug peer ls
show log --limit 5
show doctor || die "doctor found something"
show stop || die "mtad did not stop"
wait "$mta"
status=$?
mta=""
exit $status
