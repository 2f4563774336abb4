/*
 * sasl passwd, ls, del: the users of smtpd_sasl_type = gsasl, in the text of the table that mtad_sasl_password_maps names. What is kept of a
 * password is policy/scram_secret.h's; nothing of it is shown, logged or told to the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "mtactl/local.h"
#include "policy/scram_secret.h"
#include "table/source.h"
#include "table/table.h"

#define PASSWORD_ROOM	2048
#define NOBODY		"."	/* see policy/sasl_exchange.c */

/* -- the table ------------------------------------------------------------------------------ */

/* A type that is one file of keys and values. */
static bool
is_kept_here(const struct map_table *t)
{
	struct span type = span_head(span_str(t->spec), span_find(span_str(t->spec), ':'));

	return t->grammar != NULL && *t->name == '/' && (table_type_compiled(type) || span_eqs(type, "texthash"));
}

static int
find_table(struct session *s, struct map_table *t)
{
	struct span list, first;
	int status;

	*t = (struct map_table){ NULL };
	if (!session_configure(s))
		return 78;
	list = span_str(conf_str(conf_main(s->conf), P_mtad_sasl_password_maps));
	if (!table_word(&list, &first)) {
		session_say(s, "no table of users is configured; for one: mtactl config set smtpd_sasl_type=gsasl; "
		    "mtactl config set mtad_sasl_password_maps=hash:%s/sasl_users", s->conf_dir);
		return 78;
	}
	if ((status = map_resolve_text(s, first, t)) != 0)
		return status;
	if (is_kept_here(t))
		return 0;
	session_say(s, "%s is no file that mtactl keeps (hash or texthash): its users are changed where they are", t->spec);
	return 65;
}

/* What is in it is nobody's but the owner's business. */
static bool
is_private(struct session *s, const char *path, bool make, bool *made)
{
	int fd = make ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	struct stat st;

	*made = fd >= 0;
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		session_say(s, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if ((st.st_mode & 077) != 0 && make && fchmod(fd, 0600) == 0)
		session_say(s, "%s could be read by others; its mode is 0600 now", path);
	close(fd);
	return true;
}

/* -- passwords -------------------------------------------------------------------------------- */

static bool
take_line(FILE *f, char *out, size_t size)
{
	if (fgets(out, (int)size, f) == NULL)
		return false;
	size_t len = strlen(out);
	if (len == size - 1 && out[len - 1] != '\n')
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

static bool
prompt(FILE *tty, const char *text, char *out, size_t size)
{
	struct termios before, quiet;
	bool changed = tcgetattr(fileno(tty), &before) == 0;

	if (changed) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(fileno(tty), TCSAFLUSH, &quiet) == 0;
	}
	(void)fputs(text, tty);
	(void)fflush(tty);
	bool ok = take_line(tty, out, size);
	if (changed)
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &before);
	(void)fputs("\n", tty);
	return ok;
}

static bool
ask_twice(struct session *s, char *out)
{
	char again[PASSWORD_ROOM];
	FILE *tty = fopen("/dev/tty", "r+e");
	bool ok;

	if (tty == NULL) {
		session_say(s, "there is no terminal to ask on; with --stdin the password is the first line of standard input");
		return false;
	}
	ok = prompt(tty, "New password: ", out, PASSWORD_ROOM) && prompt(tty, "Once more: ", again, PASSWORD_ROOM);
	(void)fclose(tty);
	if (!ok)
		session_say(s, "no password was given");
	else if (strcmp(out, again) != 0)
		session_say(s, "the two are not the same");
	ok = ok && strcmp(out, again) == 0;
	gnutls_memset(again, 0, sizeof again);
	return ok;
}

static bool
take_password(struct session *s, const struct request *req, char *out)
{
	if (!local_flag(req, "stdin"))
		return ask_twice(s, out);
	if (take_line(stdin, out, PASSWORD_ROOM))
		return true;
	session_say(s, "the first line of standard input is to be the password, of less than %d bytes", PASSWORD_ROOM - 1);
	return false;
}

/* -- changes ---------------------------------------------------------------------------------- */

static bool
user_of(struct session *s, const struct request *req, struct span *user)
{
	bool ok = request_get(req, "user", user) && user->len > 0 && user->len <= 256 && user->ptr[0] != '.' && user->ptr[0] != '#';

	for (size_t i = 0; ok && i < user->len; i++)
		ok = (unsigned char)user->ptr[i] > ' ' && user->ptr[i] != 0x7f && user->ptr[i] != ':' && user->ptr[i] != '"';
	if (!ok)
		session_say(s, "a user's name is 1 to 256 bytes without blanks, colons and quotes, and begins with neither \".\" nor \"#\"");
	return ok;
}

static void
row(struct session *s, struct span user, const char *what)
{
	struct buf text = BUF_INIT(0);
	struct jsonl j = { .out = &text };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "user", user);
	jsonl_str(&j, "done", span_str(what));
	jsonl_end_object(&j);
	session_row(s, buf_view(&text));
	buf_clear(&text);
}

/* Makes the change count; `user` is what it was about. */
static int
commit(struct session *s, const struct request *req, const struct map_table *t, struct source *source, struct span user, const char *what)
{
	struct err err = { .kind = ERR_NONE };

	/* A user who was taken out, or a password that was changed because it is known, must not be one command away. */
	source_keep_nothing(source);
	if (!source_commit(source, &err))
		return local_fail(s, &err);
	row(s, user, what);
	return map_take_effect(s, req, t);
}

/* By it users that are not there look like those that are; its password is known to nobody. */
static bool
put_nobody(struct source *source, uint32_t iterations, struct err *err)
{
	struct buf secret = BUF_INIT(4096);
	unsigned char random[24];
	char password[2 * sizeof random + 1];
	size_t index;

	if (source_find(source, SPAN(NOBODY), 0, &index))
		return true;
	if (gnutls_rnd(GNUTLS_RND_KEY, random, sizeof random) != 0)
		return true;
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(password + 2 * i, 3, "%02x", random[i]);
	bool ok = scram_secrets_make(span_str(password), iterations, &secret, err) && source_put(source, SPAN(NOBODY), buf_view(&secret), err);
	buf_clear(&secret);
	return ok;
}

static int
iterations_of(struct session *s, const struct request *req, uint32_t *n)
{
	struct span text;

	*n = SCRAM_ITERATIONS;
	if (!request_get(req, "iterations", &text))
		return 0;
	if (num_u32(text, n) && *n >= SCRAM_ITERATIONS_MIN && *n <= SCRAM_ITERATIONS_MAX)
		return 0;
	session_say(s, "--iterations is a number from %d to %d", SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX);
	return 64;
}

static int
passwd(struct session *s, const struct request *req, const struct map_table *t)
{
	char password[PASSWORD_ROOM];
	struct buf secret = BUF_INIT(4096);
	struct err err = { .kind = ERR_NONE };
	struct source *source = NULL;
	struct span user;
	uint32_t iterations;
	size_t index;
	bool made = false, there;
	int status = iterations_of(s, req, &iterations);

	if (status != 0)
		return status;
	if (!user_of(s, req, &user) || !take_password(s, req, password))
		return 65;
	bool ok = scram_secrets_make(span_str(password), iterations, &secret, &err);
	gnutls_memset(password, 0, sizeof password);
	if (ok && !is_private(s, t->name, true, &made)) {
		buf_clear(&secret);
		return errno == EACCES || errno == EPERM ? 77 : 65;
	}
	ok = ok && (source = source_open(span_str(t->grammar), t->name, &err)) != NULL;
	there = ok && source_find(source, user, 0, &index);
	ok = ok && put_nobody(source, iterations, &err) && source_put(source, user, buf_view(&secret), &err);
	status = ok ? commit(s, req, t, source, user, there ? "changed" : "added") : local_fail(s, &err);
	source_free(source);
	buf_clear(&secret);
	return status;
}

static int
del(struct session *s, const struct request *req, const struct map_table *t)
{
	struct err err = { .kind = ERR_NONE };
	struct source *source;
	struct span user;
	size_t index;
	int status;

	if (!user_of(s, req, &user))
		return 65;
	if ((source = source_open(span_str(t->grammar), t->name, &err)) == NULL)
		return local_fail(s, &err);
	if (!source_find(source, user, 0, &index)) {
		session_say(s, "there is no user \"%.*s\"", SPAN_ARG(user));
		status = 1;
	} else if (!source_del(source, user, &err)) {
		status = local_fail(s, &err);
	} else {
		status = commit(s, req, t, source, user, "deleted");
	}
	source_free(source);
	return status;
}

/* -- ls ----------------------------------------------------------------------------------------- */

static bool
ls_row(struct session *s, const struct source_entry *e)
{
	struct scram_secret secret = { .iterations = 0 };
	struct buf text = BUF_INIT(0);
	struct jsonl j = { .out = &text };
	bool sha1 = scram_secret_parse(e->value, SCRAM_SHA_1, &secret);
	bool sha256 = scram_secret_parse(e->value, SCRAM_SHA_256, &secret);

	if (e->kind != SOURCE_PAIR || span_eqs(e->key, NOBODY))
		return false;
	jsonl_object(&j, NULL);
	jsonl_str(&j, "user", e->key);
	jsonl_str(&j, "kept", sha1 && sha256 ? SPAN("SCRAM-SHA-256 SCRAM-SHA-1") : sha256 ? SPAN("SCRAM-SHA-256") :
	    sha1 ? SPAN("SCRAM-SHA-1") : SPAN("nothing that can be used"));
	jsonl_i64(&j, "iterations", secret.iterations);
	jsonl_end_object(&j);
	session_row(s, buf_view(&text));
	buf_clear(&text);
	return true;
}

static int
ls(struct session *s, const struct map_table *t)
{
	struct err err = { .kind = ERR_NONE };
	struct source *source;
	struct source_entry e;
	size_t users = 0;

	if (access(t->name, F_OK) != 0 && errno == ENOENT)
		return 1;
	if ((source = source_open(span_str(t->grammar), t->name, &err)) == NULL)
		return local_fail(s, &err);
	for (size_t i = 0; i < source_count(source); i++)
		if (source_entry(source, i, &e))
			users += ls_row(s, &e);
	source_free(source);
	return users > 0 ? 0 : 1;
}

int
sasl_run(struct session *s, const struct request *req)
{
	struct map_table t;
	int status = find_table(s, &t);

	if (status == 0 && req->command == CMD_sasl_passwd)
		status = passwd(s, req, &t);
	else if (status == 0 && req->command == CMD_sasl_del)
		status = del(s, req, &t);
	else if (status == 0)
		status = ls(s, &t);
	map_table_clear(&t);
	return status;
}
