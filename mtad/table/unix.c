/* unix:passwd.byname, unix:group.byname: users and groups of the system, by the name services. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "table/remote.h"

#define KEY_MAX		64	/* no system has longer user names */
#define SCRATCH_MIN	4096
#define SCRATCH_MAX	((size_t)4 << 20)	/* a group may have many members */

struct entry {
	union {
		struct passwd	 pw;
		struct group	 gr;
	};
	bool		 found;
};

static int
get_passwd(const char *name, struct entry *e, char *scratch, size_t size)
{
	struct passwd *found;

	int rc = getpwnam_r(name, &e->pw, scratch, size, &found);
	e->found = found != NULL;
	return rc;
}

static int
get_group(const char *name, struct entry *e, char *scratch, size_t size)
{
	struct group *found;

	int rc = getgrnam_r(name, &e->gr, scratch, size, &found);
	e->found = found != NULL;
	return rc;
}

/* As in /etc/passwd; the password is nobody's business here. */
static void
put_passwd(const struct entry *e, struct buf *out)
{
	buf_printf(out, "%s:x:%u:%u:%s:%s:%s", e->pw.pw_name, (unsigned)e->pw.pw_uid, (unsigned)e->pw.pw_gid,
	    e->pw.pw_gecos, e->pw.pw_dir, e->pw.pw_shell);
}

static void
put_group(const struct entry *e, struct buf *out)
{
	buf_printf(out, "%s:x:%u:", e->gr.gr_name, (unsigned)e->gr.gr_gid);
	for (char **member = e->gr.gr_mem; member != NULL && *member != NULL; member++)
		buf_printf(out, "%s%s", member == e->gr.gr_mem ? "" : ",", *member);
}

static const struct {
	const char	*name;
	int		(*get)(const char *, struct entry *, char *scratch, size_t);
	void		(*put)(const struct entry *, struct buf *);
} tables[] = {
	{ "passwd.byname", get_passwd, put_passwd },
	{ "group.byname", get_group, put_group },
};
#define TABLES	(sizeof tables / sizeof *tables)

/* What getpwnam(3) says where there is none: it differs between name services. */
static bool
means_none(int rc)
{
	return rc == 0 || rc == ENOENT || rc == ESRCH || rc == EBADF || rc == EPERM;
}

static enum table_result
ask(size_t table, const char *name, struct buf *out, struct err *err)
{
	enum table_result result = TABLE_FAILED;
	struct entry e = { .found = false };
	char *scratch = NULL;
	int rc = ERANGE;

	for (size_t size = SCRATCH_MIN; rc == ERANGE && size <= SCRATCH_MAX; size *= 2) {
		scratch = mem_grow(scratch, size, 1);
		rc = tables[table].get(name, &e, scratch, size);
	}
	if (e.found) {
		tables[table].put(&e, out);
		result = TABLE_FOUND;
	} else if (means_none(rc)) {
		result = TABLE_ABSENT;
	} else {
		err_set(err, ERR_TEMP, "%s", strerror(rc));
	}
	free(scratch);
	return result;
}

static bool
unix_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	(void)conf;
	for (size_t i = 0; i < TABLES; i++)
		if (span_eqs(name, tables[i].name)) {
			size_t *which;
			MEM_NEW(which);
			*which = i;
			*state = which;
			return true;
		}
	err_set(err, ERR_SYS, "unix:%.*s: there are unix:passwd.byname and unix:group.byname", SPAN_ARG(span_head(name, 60)));
	return false;
}

static enum table_result
unix_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	const size_t *which = state;
	char *name = span_dup(key);
	enum table_result result = ask(*which, name, value, err);

	free(name);
	return result;
}

static const struct remote_type functions = { unix_open, free, unix_ask };

/* The name is looked at in every process: a wrong one should be found at start. */
static bool
check_and_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	void *which;

	if (!unix_open(conf, name, &which, err))
		return false;
	free(which);
	return remote_open(&functions, conf, name, state, err);
}

/* What is no name of a user is not worth a question. */
static enum table_result
unix_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	if (key.len > KEY_MAX || span_has(key, '@') || span_has(key, ':') || span_has(key, '/') || span_has(key, '\n'))
		return TABLE_ABSENT;
	return remote_get(state, self, facts, key, value, err);
}

const struct table_type table_unix = { "unix", check_and_open, remote_close, unix_get, .flags = TABLE_BLOCKS };
