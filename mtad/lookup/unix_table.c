#include "lookup/lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define KEY_MAX		256
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
	{ "unix:passwd.byname", get_passwd, put_passwd },
	{ "unix:group.byname", get_group, put_group },
};
#define TABLES	(sizeof tables / sizeof *tables)

/* What getpwnam(3) says where there is none: it differs between name services. */
static bool
means_none(int rc)
{
	return rc == 0 || rc == ENOENT || rc == ESRCH || rc == EBADF || rc == EPERM;
}

static enum lookup_status
ask(size_t table, const char *name, struct buf *out)
{
	enum lookup_status status = LOOKUP_FAILED;
	struct entry e = { .found = false };
	char *scratch = NULL;
	int rc = ERANGE;

	for (size_t size = SCRATCH_MIN; rc == ERANGE && size <= SCRATCH_MAX; size *= 2) {
		scratch = mem_grow(scratch, size, 1);
		rc = tables[table].get(name, &e, scratch, size);
	}
	if (e.found) {
		tables[table].put(&e, out);
		status = LOOKUP_FOUND;
	} else if (means_none(rc)) {
		status = LOOKUP_NOT_THERE;
	} else {
		buf_printf(out, "%s: %s", tables[table].name, strerror(rc));
	}
	free(scratch);
	return status;
}

enum lookup_status
lookup_table(struct span table, struct span key, struct buf *out)
{
	for (size_t i = 0; i < TABLES; i++) {
		if (!span_eqs(table, tables[i].name))
			continue;
		if (key.len == 0 || key.len > KEY_MAX || span_has(key, '\0') || span_has(key, ':') || span_has(key, '\n'))
			return LOOKUP_NOT_THERE;
		char *name = span_dup(key);
		enum lookup_status status = ask(i, name, out);
		free(name);
		return status;
	}
	buf_printf(out, "table %.*s is not known to the lookup role", SPAN_ARG(span_head(table, 100)));
	return LOOKUP_FAILED;
}
