#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "master/listen.h"
#include "unit/master/scratch.h"

#define SLOTS	3

static struct instance instance;

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static size_t
count(const struct descs *d, enum role role, uint32_t slot, const char *key_has)
{
	size_t n = 0;

	for (size_t i = 0; i < d->count; i++)
		n += d->items[i].role == role && d->items[i].slot == slot && strstr(d->items[i].key, key_has) != NULL;
	return n;
}

static const struct desc *
find(const struct descs *d, enum role role, uint32_t slot, const char *key_has)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->items[i].role == role && d->items[i].slot == slot && strstr(d->items[i].key, key_has) != NULL)
			return &d->items[i];
	fail_msg("no %s", key_has);
	return NULL;
}

static bool
open_with(struct descs *now, const struct descs *before, const char *master_cf, struct err *err)
{
	struct conf *conf = scratch_conf("inet_protocols = ipv4\ninet_interfaces = loopback-only\n", master_cf);

	assert_non_null(conf);
	bool done = listen_open(now, before, conf, &instance, SLOTS, err);
	conf_unref(conf);
	return done;
}

/* Every slot has a socket of its own, and a reload keeps those whose address stays, under whatever number. */
static void
test_take_over(void **state)
{
	struct descs first = { 0 }, second = { 0 };
	struct err err = { 0 };
	char text[300], a[64], b[64];
	int port = scratch_free_port(), other = scratch_free_port();

	(void)state;
	(void)snprintf(a, sizeof a, "127.0.0.1:%d", port);
	(void)snprintf(b, sizeof b, "127.0.0.1:%d", other);
	(void)snprintf(text, sizeof text, "%d inet n - y - - smtpd\n", port);
	if (!open_with(&first, NULL, text, &err))
		fail_msg("%s", err.text);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		assert_int_equal(count(&first, ROLE_RECEIVE, slot, a), 1);
	assert_true(inode(find(&first, ROLE_RECEIVE, 0, a)->fd) != inode(find(&first, ROLE_RECEIVE, 1, a)->fd));
	assert_int_equal(count(&first, ROLE_RECEIVE, EVERY_SLOT, "submit"), 1);
	assert_int_equal(count(&first, ROLE_CONTROL, EVERY_SLOT, "control"), 1);

	(void)snprintf(text, sizeof text, "%s inet n - y - - smtpd\n%s inet n - y - - smtpd\n", b, a);
	if (!open_with(&second, &first, text, &err))
		fail_msg("%s", err.text);
	const struct desc *was = find(&first, ROLE_RECEIVE, 2, a), *is = find(&second, ROLE_RECEIVE, 2, a);
	assert_int_equal(inode(was->fd), inode(is->fd));
	assert_string_not_equal(was->key, is->key);
	assert_int_equal(inode(find(&first, ROLE_CONTROL, EVERY_SLOT, "control")->fd),
	    inode(find(&second, ROLE_CONTROL, EVERY_SLOT, "control")->fd));
	assert_true(fcntl(is->fd, F_GETFD) & FD_CLOEXEC);
	descs_clear(&first);
	descs_clear(&second);
}

static void
test_in_use(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int port = scratch_free_port(), one = 1;
	struct descs d = { 0 };
	struct err err = { 0 };
	char text[100], want[100];

	(void)state;
	/* Even where the other one shares its port. */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_port = htons((uint16_t)port);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(fd, 5), 0);
	(void)snprintf(text, sizeof text, "127.0.0.1:%d inet n - y - - smtpd\n", port);
	(void)snprintf(want, sizeof want, "bind 127.0.0.1:%d: Address already in use", port);
	assert_false(open_with(&d, NULL, text, &err));
	assert_non_null(strstr(err.text, want));
	assert_int_equal(err.kind, ERR_TEMP);
	descs_clear(&d);
	close(fd);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "nosuchservice inet n - y - - smtpd\n", "no service nosuchservice" },
		{ "127.0.0.1:99999 inet n - y - - smtpd\n", "not between 1 and 65535" },
		{ "192.0.2.77:2525 inet n - y - - smtpd\n", "no interface has this address" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct descs d = { 0 };
		struct err err = { 0 };
		assert_false(open_with(&d, NULL, rows[i].line, &err));
		if (strstr(err.text, rows[i].why) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", err.text, rows[i].why);
		descs_clear(&d);
	}
}

static int
set_up(void **state)
{
	struct err err = { 0 };

	if (scratch_make(state) != 0)
		return -1;
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "", "mtad");
	struct conf *conf = scratch_conf("", "");
	bool done = instance_open(&instance, conf, false, &err);
	conf_unref(conf);
	return done ? 0 : -1;
}

static int
tear_down(void **state)
{
	instance_close(&instance);
	return scratch_remove(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_over), cmocka_unit_test(test_in_use), cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
