#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "mail/date.h"
#include "unit/local/sample.h"

#define NOW	((int64_t)1795304580 * SECOND)
#define HEADER	"From: a@b\nSubject: x\n\n"
#define TOP	"Return-Path: <\"a b\"@example.net>\nX-Original-To: %s@example.org\nDelivered-To: %s@example.org\n"

static char dir[64];
static int segment;

static int
set_up(void **state)
{
	(void)state;
	sample_dir(dir);
	segment = memfd_create("segment", 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(segment);
	sample_clean(dir);
	return 0;
}

/* job_run in a child, as the role does it, for it may change the user. */
static void
run(struct job *job, struct report *r)
{
	int ends[2], status;
	char bytes[REPORT_MAX];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct buf b = BUF_INIT(0);
		job_run(job, r);
		report_pack(&b, r);
		if (write(ends[1], b.ptr, b.len) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ssize_t n = read(ends[0], bytes, sizeof bytes);
	close(ends[0]);
	assert_true(n > 0);
	assert_true(report_unpack(span_of(bytes, (size_t)n), r));
}

/* Delivers with these settings, to this local part (NULL: the user of the tests). */
static void
deliver_to(const char *who, const char *header, struct span body, bool spill, const char *const settings[], struct report *r)
{
	char recipient[300];
	struct conf *conf = sample_conf(settings);
	snprintf(recipient, sizeof recipient, "%s@example.org", who != NULL ? who : sample_user());
	struct job job = { .view = conf_main(conf), .recipient = span_str(recipient), .original = span_str(recipient), .delivered = span_str(recipient),
		.sender = SPAN("a b@example.net"),
		.hostname = "mx/example", .now = NOW, .segment_fd = segment, .nonce = SAMPLE_NONCE };
	job.loc = sample_message(segment, header, body, spill, &job.spill_fd);
	run(&job, r);
	if (job.spill_fd >= 0)
		close(job.spill_fd);
	conf_unref(conf);
}

static const char *
setting(const char *name, const char *value)
{
	static char text[4][256];
	static unsigned at;
	char *s = text[at++ % 4];
	snprintf(s, sizeof text[0], "%s=%s", name, value);
	return s;
}

static const char *
in_dir(const char *rest)
{
	static char path[4][256];
	static unsigned at;
	char *s = path[at++ % 4];
	snprintf(s, sizeof path[0], "%s%s", dir, rest);
	return s;
}

static char *
mailbox(void)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, sample_user());
	return sample_read(path);
}

static void
to_mbox(void **state)
{
	(void)state;
	struct report r;
	struct stat st;
	char expect[1024], path[128];
	const char *user = sample_user();
	const char *const settings[] = { setting("mail_spool_directory", dir), NULL };
	for (int i = 0; i < 2; i++) {
		deliver_to(NULL, HEADER, SPAN("hi\nFrom me\n>>From you\nFro\n>Fromm\n>"), i == 1, settings, &r);
		assert_string_equal(r.text, "delivered to mailbox");
		assert_string_equal(r.dsn, "2.0.0");
		assert_int_equal(r.status, OUTCOME_SENT);
	}
	char *text = mailbox();
	int n = snprintf(expect, sizeof expect, "From \"a b\"@example.net  Sat Nov 21 23:43:00 2026\n" TOP HEADER
	    "hi\n>From me\n>>From you\nFro\n>Fromm\n>\n\n", user, user);
	assert_memory_equal(text, expect, (size_t)n);
	assert_string_equal(text + n, expect);		/* spilled: the same */
	free(text);
	snprintf(path, sizeof path, "%s/%s", dir, user);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, getpwnam(user)->pw_uid);
	snprintf(path, sizeof path, "%s/%s.lock", dir, user);
	assert_int_equal(access(path, F_OK), -1);
}

static void
to_maildir(void **state)
{
	(void)state;
	struct report r;
	struct stat st;
	char path[256], expect[1024];
	const char *user = sample_user();
	const char *const settings[] = { setting("mail_spool_directory", in_dir("/")), setting("recipient_delimiter", "+"), NULL };
	snprintf(path, sizeof path, "%s+ext", user);
	deliver_to(path, HEADER, SPAN("From me\n"), false, settings, &r);
	assert_string_equal(r.text, "delivered to maildir");
	snprintf(path, sizeof path, "%s/%s/new", dir, user);
	char *name = sample_only_file(path);
	assert_non_null(name);
	assert_true(strncmp(strrchr(name, '/'), "/1795304580.V", 13) == 0 && strstr(name, "M0.mx_example") != NULL);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, getpwnam(user)->pw_uid);
	char *text = sample_read(name);
	snprintf(expect, sizeof expect, "Return-Path: <\"a b\"@example.net>\nX-Original-To: %s+ext@example.org\n"
	    "Delivered-To: %s+ext@example.org\n" HEADER "From me\n", user, user);
	assert_string_equal(text, expect);
	free(text);
	free(name);
	snprintf(path, sizeof path, "%s/%s/tmp", dir, user);
	assert_null(sample_only_file(path));
}

static void
refused(void **state)
{
	(void)state;
	struct report r;
	char loop[300];
	const char *const settings[] = { setting("mail_spool_directory", dir), NULL };
	deliver_to("no-such-user-here", HEADER, SPAN("x\n"), false, settings, &r);
	assert_int_equal(r.status, OUTCOME_BOUNCED);
	assert_string_equal(r.dsn, "5.1.1");
	assert_string_equal(r.text, "unknown user: \"no-such-user-here\"");
	deliver_to("../etc/passwd", HEADER, SPAN("x\n"), false, settings, &r);
	assert_string_equal(r.dsn, "5.1.1");
	snprintf(loop, sizeof loop, "delivered-to: %s@EXAMPLE.org\n" HEADER, sample_user());
	deliver_to(NULL, loop, SPAN("x\n"), false, settings, &r);
	assert_int_equal(r.status, OUTCOME_BOUNCED);
	assert_string_equal(r.dsn, "5.4.6");
	assert_non_null(strstr(r.text, "mail forwarding loop for "));
}

/* What fails leaves the mailbox as it was. */
static void
full(void **state)
{
	(void)state;
	struct report r;
	static char big[70000];
	memset(big, 'x', sizeof big);
	const char *const settings[] = { setting("mail_spool_directory", dir), setting("mailbox_size_limit", "60000"),
		setting("message_size_limit", "50000"), NULL };
	deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
	assert_int_equal(r.status, OUTCOME_SENT);
	char *before = mailbox();
	deliver_to(NULL, HEADER, span_of(big, sizeof big), true, settings, &r);
	assert_int_equal(r.status, OUTCOME_BOUNCED);
	assert_string_equal(r.dsn, "5.2.2");
	assert_non_null(strstr(r.text, "error writing message: File too large"));
	char *after = mailbox();
	assert_string_equal(before, after);
	free(before);
	free(after);
	const char *const maildir[] = { setting("mail_spool_directory", in_dir("/m/")), setting("mailbox_size_limit", "60000"),
		setting("message_size_limit", "50000"), NULL };
	assert_int_equal(mkdir(in_dir("/m"), 0777), 0);
	assert_int_equal(chmod(in_dir("/m"), 0777), 0);
	deliver_to(NULL, HEADER, span_of(big, sizeof big), true, maildir, &r);
	assert_string_equal(r.text, "maildir delivery failed: error writing message: File too large");
}

static void
locked(void **state)
{
	(void)state;
	struct report r;
	char path[128];
	const char *const settings[] = { setting("mail_spool_directory", dir), setting("deliver_lock_attempts", "2"),
		setting("deliver_lock_delay", "1s"), NULL };
	snprintf(path, sizeof path, "%s/%s.lock", dir, sample_user());
	close(open(path, O_CREAT | O_WRONLY, 0600));
	deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
	assert_int_equal(r.status, OUTCOME_DEFERRED);
	assert_string_equal(r.dsn, "4.2.0");
	assert_non_null(strstr(r.text, "unable to lock for exclusive access: Resource temporarily unavailable"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	/* An fcntl lock of another process. */
	snprintf(path, sizeof path, "%s/%s", dir, sample_user());
	int fd = open(path, O_CREAT | O_RDWR, 0600);
	if (geteuid() == 0)
		assert_int_equal(fchown(fd, getpwnam(sample_user())->pw_uid, (gid_t)-1), 0);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	assert_int_equal(fcntl(fd, F_SETLK, &fl), 0);
	deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
	assert_string_equal(r.dsn, "4.2.0");
	assert_non_null(strstr(r.text, "unable to lock"));
	snprintf(path, sizeof path, "%s/%s.lock", dir, sample_user());
	assert_int_equal(access(path, F_OK), -1);
	close(fd);
	/* Of a dead program. */
	const char *const stale[] = { setting("mail_spool_directory", dir), setting("stale_lock_time", "1s"),
		setting("deliver_lock_delay", "2s"), NULL };
	close(open(path, O_CREAT | O_WRONLY, 0600));
	deliver_to(NULL, HEADER, SPAN("x\n"), false, stale, &r);
	assert_int_equal(r.status, OUTCOME_SENT);
}

static void
strange_files(void **state)
{
	(void)state;
	struct report r;
	char path[128];
	const char *const settings[] = { setting("mail_spool_directory", dir), setting("deliver_lock_attempts", "1"), NULL };
	snprintf(path, sizeof path, "%s/%s", dir, sample_user());
	assert_int_equal(symlink(in_dir("/elsewhere"), path), 0);
	deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
	assert_int_equal(r.status, OUTCOME_DEFERRED);
	assert_int_equal(access(in_dir("/elsewhere"), F_OK), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0666), 0);
	deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
	assert_non_null(strstr(r.text, "not a regular file"));
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(link(path, in_dir("/second")), 0);
	deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
	assert_non_null(strstr(r.text, "more than one hard link"));
	unlink(path);
	unlink(in_dir("/second"));
	if (geteuid() == 0) {
		close(open(path, O_CREAT | O_WRONLY, 0600));
		deliver_to(NULL, HEADER, SPAN("x\n"), false, settings, &r);
		assert_non_null(strstr(r.text, "is not owned by recipient"));
	}
}

static void
damaged(void **state)
{
	(void)state;
	struct report r;
	const char *const settings[] = { setting("mail_spool_directory", dir), NULL };
	struct conf *conf = sample_conf(settings);
	char recipient[300];
	snprintf(recipient, sizeof recipient, "%s@example.org", sample_user());
	struct job job = { .view = conf_main(conf), .recipient = span_str(recipient), .hostname = "h", .now = NOW,
		.segment_fd = segment, .nonce = SAMPLE_NONCE };
	job.loc = sample_message(segment, HEADER, SPAN("body"), false, &job.spill_fd);
	assert_int_equal(pwrite(segment, "X", 1, 4096 + 60), 1);
	run(&job, &r);
	assert_int_equal(r.status, OUTCOME_DEFERRED);
	assert_int_equal(r.scope, SCOPE_MESSAGE);
	conf_unref(conf);
}

static void
reports(void **state)
{
	(void)state;
	struct report r = { .warning = "" }, back = { .warning = "" };
	struct buf b = BUF_INIT(0);
	report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.1.1", "a\nb");
	report_pack(&b, &r);
	assert_true(report_unpack(buf_view(&b), &back));
	assert_string_equal(back.text, "a b");
	buf_char(&b, 'x');
	assert_false(report_unpack(buf_view(&b), &back));
	for (size_t n = 0; n < b.len - 1; n++)
		assert_false(report_unpack(span_of(b.ptr, n), &back));
	buf_reset(&b);
	report_set(&r, (enum outcome_status)(OUTCOME_BOUNCED + 1), SCOPE_RECIPIENT, "5.1.1", "a");
	report_pack(&b, &r);
	assert_false(report_unpack(buf_view(&b), &back));
	buf_reset(&b);
	report_set(&r, OUTCOME_SENT, SCOPE_RECIPIENT, "junk", "a");
	report_pack(&b, &r);
	assert_false(report_unpack(buf_view(&b), &back));
	report_errno(&r, EDQUOT, "maildir delivery failed");
	assert_string_equal(r.dsn, "4.2.2");
	assert_int_equal(r.status, OUTCOME_DEFERRED);
	buf_clear(&b);
}

int
main(void)
{
	setenv("TZ", "UTC", 1);
	date_init();
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(to_mbox), ROW(to_maildir), ROW(refused), ROW(full), ROW(locked), ROW(strange_files), ROW(damaged), ROW(reports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
