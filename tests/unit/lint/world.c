#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

static const char base_main[] =
    "myhostname = mail.example.com\n"
    "mydestination = $myhostname, $mydomain\n";

static const char base_master[] =
    "smtp inet n - n - - smtpd\n"
    "pickup unix n - n 60 1 pickup\n"
    "cleanup unix n - n - 0 cleanup\n"
    "qmgr unix n - n 300 1 qmgr\n"
    "tlsmgr unix - - n 1000? 1 tlsmgr\n"
    "rewrite unix - - n - - trivial-rewrite\n"
    "bounce unix - - n - 0 bounce\n"
    "defer unix - - n - 0 bounce\n"
    "trace unix - - n - 0 bounce\n"
    "verify unix - - n - 1 verify\n"
    "flush unix n - n 1000? 0 flush\n"
    "proxymap unix - - n - - proxymap\n"
    "proxywrite unix - - n - 1 proxymap\n"
    "smtp unix - - n - - smtp\n"
    "relay unix - - n - - smtp\n"
    "showq unix n - n - - showq\n"
    "error unix - - n - - error\n"
    "retry unix - - n - - error\n"
    "discard unix - - n - - discard\n"
    "local unix - n n - - local\n"
    "virtual unix - n n - - virtual\n"
    "lmtp unix - - n - - lmtp\n"
    "anvil unix - - n - 1 anvil\n"
    "scache unix - - n - 1 scache\n"
    "postlog unix-dgram n - n - 1 postlogd\n";

/* Whether a line of the text begins with these words, a "#" before them or not. */
static bool
says(struct span text, struct span words[2], int n)
{
	struct span line, w;

	while (text.ptr != NULL && span_cut(&text, '\n', &line)) {
		bool same = true;
		while (span_starts(line, "#"))
			line = span_skip(line, 1);
		if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
			continue;
		for (int i = 0; same && i < n; i++)
			same = span_word(&line, n == 1 ? " =" : " ", &w) && span_eq(w, words[i]);
		if (same)
			return true;
	}
	return false;
}

static void
add_base(struct buf *out, const char *base, int words)
{
	struct buf given = BUF_INIT(0);
	struct span rest = span_str(base), line;

	buf_span(&given, buf_view(out));
	buf_str(&given, "");
	while (span_cut(&rest, '\n', &line)) {
		struct span key[2], copy = line;
		bool ok = line.len > 0;
		for (int i = 0; ok && i < words; i++)
			ok = span_word(&copy, words == 1 ? " =" : " ", &key[i]);
		if (ok && !says(buf_view(&given), key, words)) {
			buf_span(out, line);
			buf_char(out, '\n');
		}
	}
	buf_clear(&given);
}

/* The line of answers that begins with these two words; what follows them is in *rest. */
static bool
answer(const struct world *w, const char *what, const char *about, struct span *rest)
{
	struct span text = buf_view(&w->answers), line, a, b;

	while (text.ptr != NULL && span_cut(&text, '\n', &line)) {
		if (!span_word(&line, " ", &a) || !span_eqs(a, what))
			continue;
		if (about[0] == '\0' || (span_word(&line, " ", &b) && span_eqs(b, about))) {
			*rest = line;
			return true;
		}
	}
	return false;
}

static bool
find_file(const struct world *w, const char *path, struct buf *out)
{
	struct span text = buf_view(&w->files), line;
	bool in = false, found = false;

	if (strcmp(path, WORLD_DIR "/main.cf") == 0 || strcmp(path, WORLD_DIR "/master.cf") == 0) {
		if (out != NULL)
			buf_span(out, buf_view(path[strlen(WORLD_DIR) + 2] == 'a' && span_ends(span_str(path), "main.cf") ? &w->main_cf :
			    &w->master_cf));
		return true;
	}
	while (text.ptr != NULL && span_cut(&text, '\n', &line)) {
		if (span_starts(line, "--- file ")) {
			in = span_eqs(span_skip(line, 9), path);
			found = found || in;
		} else if (in && out != NULL) {
			buf_printf(out, "%.*s\n", SPAN_ARG(line));
		}
	}
	return found;
}

static unsigned
octal(struct span s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++)
		n = n * 8 + (unsigned)(s.ptr[i] - '0');
	return n;
}

static bool
world_stat(void *arg, const char *path, bool follow, struct lint_stat *st)
{
	static const char *const files[] = { "/usr/bin/maildrop", "/usr/bin/policyd" };
	static const char *const dirs[] = { WORLD_DIR, "/var", "/var/spool", "/var/log", "/var/lib", "/srv/log" };
	struct span rest, word;
	uint32_t n = 0;

	(void)follow;
	*st = (struct lint_stat){ 'f', 0644, 0, 0, 1, 1 };
	if (answer(arg, "missing", path, &rest))
		return false;
	if (answer(arg, "link", path, &rest)) {
		st->type = 'l';
		return !follow;
	}
	if (answer(arg, "stat", path, &rest)) {
		st->type = span_word(&rest, " ", &word) ? word.ptr[0] : '?';
		if (span_word(&rest, " ", &word) && num_u32(word, &n))
			st->uid = n;
		if (span_word(&rest, " ", &word))
			st->mode = octal(word);
		if (span_word(&rest, " ", &word) && num_u32(word, &n))
			st->mtime = n;
		return true;
	}
	if (strcmp(path, WORLD_DIR "/mail.pem") == 0) {
		st->mode = 0600;
		return true;
	}
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (strcmp(path, files[i]) == 0) {
			st->mode = 0755;
			return true;
		}
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		if (strcmp(path, dirs[i]) == 0) {
			*st = (struct lint_stat){ 'd', 0755, 0, 0, 1, 1 };
			return true;
		}
	if (strcmp(path, "/dev/log") == 0) {
		st->type = 's';
		return true;
	}
	/* The queue is there where an example asks about a part of it. */
	if (strcmp(path, "/var/spool/mtad") == 0 && ((struct world *)arg)->answers.len > 0 &&
	    strstr(((struct world *)arg)->answers.ptr, " /var/spool/mtad/") != NULL) {
		*st = (struct lint_stat){ 'd', 0755, 0, 0, 1, 1 };
		return true;
	}
	static const char *const parts[] = { "pid", "public", "private", "spool", "maildrop" };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (span_starts(span_str(path), "/var/spool/mtad/") && span_eqs(span_skip(span_str(path), 16), parts[i])) {
			*st = (struct lint_stat){ 'd', 0700, 0, 0, 1, 1 };
			return true;
		}
	return find_file(arg, path, NULL);
}

/* The certificate that examples name, and those that they describe. */
static bool
is_certificate(const struct world *w, const char *path, struct span *words)
{
	*words = SPAN_NONE;
	return answer(w, "certificate", path, words) || strcmp(path, WORLD_DIR "/mail.pem") == 0;
}

static bool
world_read(void *arg, const char *path, struct buf *out, struct err *err)
{
	struct span words;

	if (find_file(arg, path, out))
		return true;
	if (is_certificate(arg, path, &words)) {
		world_pem(words, out);
		return true;
	}
	err_set(err, ERR_SYS, "there is no %s", path);
	return false;
}

static bool
world_readlink(void *arg, const char *path, struct buf *out)
{
	struct span rest;

	if (!answer(arg, "link", path, &rest))
		return false;
	buf_span(out, span_trim(rest));
	return true;
}

static void
world_list(void *arg, const char *path, void (*fn)(void *, const char *), void *fn_arg)
{
	struct span rest;

	if (strcmp(path, WORLD_DIR) != 0)
		return;
	fn(fn_arg, "main.cf");
	fn(fn_arg, "master.cf");
	if (answer(arg, "entry", path, &rest)) {
		char *name = span_dup(span_trim(rest));
		fn(fn_arg, name);
		free(name);
	}
}

static bool
world_user(void *arg, const char *name, unsigned *uid, unsigned *gid)
{
	static const struct { const char *name; unsigned id; } users[] = { { "root", 0 }, { "nobody", 65534 }, { "vmail", 5000 },
	    { "mtad", 101 }, { "mtadq", 102 } };

	(void)arg;
	for (size_t i = 0; i < sizeof users / sizeof *users; i++)
		if (strcmp(users[i].name, name) == 0) {
			*uid = *gid = users[i].id;
			return true;
		}
	return false;
}

static bool
world_user_name(void *arg, unsigned uid, const char *but, struct buf *other)
{
	(void)arg;
	(void)uid;
	(void)but;
	(void)other;
	return false;
}

static bool
world_group(void *arg, const char *name, unsigned *gid)
{
	unsigned uid;

	return strcmp(name, "mtadrop") == 0 ? (*gid = 0, true) : world_user(arg, name, &uid, gid);
}

static bool
world_port(void *arg, const char *name, unsigned *port)
{
	(void)arg;
	*port = strcmp(name, "smtp") == 0 ? 25 : strcmp(name, "submission") == 0 ? 587 : strcmp(name, "submissions") == 0 ? 465 :
	    strcmp(name, "smtps") == 0 ? 465 : 0;
	return *port != 0;
}

static bool
world_own_address(void *arg, struct span address)
{
	(void)arg;
	return span_eqs(address, "127.0.0.1") || span_eqs(address, "::1") || span_eqs(address, "192.0.2.10");
}

static bool
world_resolves(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "localhost") == 0;
}

static int
world_listens(void *arg, unsigned port, struct buf *who)
{
	struct span rest;
	char text[16];

	snprintf(text, sizeof text, "%u", port);
	if (answer(arg, "silent", text, &rest))
		return 0;
	if (!answer(arg, "listens", text, &rest))
		return -1;
	if (who != NULL)
		buf_span(who, span_trim(rest));
	return 1;
}

static bool
world_container(void *arg)
{
	struct span rest;
	return answer(arg, "container", "", &rest);
}

static void
set_host(struct world *w)
{
	w->host = (struct lint_host){ .arg = w, .stat = world_stat, .read = world_read, .readlink = world_readlink,
	    .list = world_list, .user = world_user, .user_name = world_user_name, .group = world_group, .port = world_port,
	    .own_address = world_own_address, .resolves = world_resolves, .listens = world_listens, .container = world_container };
}

void
world_init(struct world *w, const char *example)
{
	struct span rest = span_str(example), line;
	struct buf *into;

	world_texts(w, SPAN_NONE, SPAN_NONE);
	into = &w->main_cf;
	while (span_cut(&rest, '\n', &line)) {
		if (span_eqs(line, "--- master.cf")) {
			into = &w->master_cf;
			continue;
		}
		if (span_eqs(line, "--- host")) {
			into = &w->answers;
			continue;
		}
		if (span_starts(line, "--- file "))
			into = &w->files;
		if (rest.ptr == NULL && line.len == 0)
			break;
		buf_span(into, line);
		buf_char(into, '\n');
	}
	add_base(&w->main_cf, base_main, 1);
	add_base(&w->master_cf, base_master, 2);
}

void
world_texts(struct world *w, struct span main_cf, struct span master_cf)
{
	*w = (struct world){ .main_cf = BUF_INIT(0) };
	buf_span(&w->main_cf, main_cf);
	buf_span(&w->master_cf, master_cf);
	set_host(w);
}

void
world_clear(struct world *w)
{
	buf_clear(&w->main_cf);
	buf_clear(&w->master_cf);
	buf_clear(&w->answers);
	buf_clear(&w->files);
}

void
world_lint(struct world *w, struct lint_report *r)
{
	struct lint_options options = { .dir = WORLD_DIR, .host = &w->host };

	lint_run(&options, r);
}
