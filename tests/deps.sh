#!/bin/sh
# Installs the Debian packages that a step needs and that are missing. Usage: tests/deps.sh build|test|peers|bench ...
# On a terminal it asks first, unless YES=1.
set -eu
build="gcc make pkg-config libc6-dev libevent-dev libunbound-dev libjansson-dev libseccomp-dev libgnutls28-dev libgdbm-dev
 libidn2-dev libpcre2-dev libgsasl-dev libreadline-dev libncurses-dev libpq-dev libmariadb-dev libldap-dev libsqlite3-dev"
test="libcmocka-dev python3 python3-pytest python3-pexpect python3-pyte python3-aiosmtpd python3-dnspython strace
 procps openssl gnutls-bin git clang libclang-rt-14-dev llvm-14 mandoc"
peers="postfix postfix-pcre postfix-lmdb postfix-cdb postfix-sqlite postfix-pgsql postfix-mysql postfix-ldap swaks msmtp mutt libsasl2-modules dovecot-core fail2ban nsd postgrey postfix-policyd-spf-python ldnsutils haproxy postgresql mariadb-server slapd ldap-utils memcached sslscan testssl.sh"
bench="postfix procps python3"
want=""
for set in "$@"; do
	case $set in
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	peers) want="$want $peers" ;;
	bench) want="$want $bench" ;;
	*) echo "deps.sh: no such set: $set" >&2; exit 64 ;;
	esac
done
missing=""
for p in $want; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "Debian packages needed and not installed:$missing"
as_root=""
if [ "$(id -u)" != 0 ]; then
	as_root=sudo
	if ! command -v sudo >/dev/null; then
		echo "Install them as root: apt-get install --no-install-recommends$missing" >&2
		exit 69
	fi
fi
if [ -t 0 ] && [ "${YES:-}" != 1 ]; then
	printf 'Install them with apt-get now? [Y/n] '
	read -r answer
	case $answer in [nN]*) exit 69 ;; esac
fi
# A package's service must not start: the tests run their own, private ones.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
	$as_root chmod 755 $policy
	made=1
fi
status=0
if command -v debconf-set-selections >/dev/null; then
	echo "postfix postfix/main_mailer_type select No configuration" | $as_root debconf-set-selections || true
	echo "slapd slapd/no_configuration boolean true" | $as_root debconf-set-selections || true
fi
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends $missing >/tmp/mtad-deps.$$ 2>&1; then
	$as_root apt-get update -qq
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends $missing >/tmp/mtad-deps.$$ 2>&1 || status=$?
fi
[ $status = 0 ] || tail -20 /tmp/mtad-deps.$$
rm -f /tmp/mtad-deps.$$
[ -z "$made" ] || $as_root rm -f $policy
exit $status
