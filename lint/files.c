/* Files and directories: owners, modes, what is missing. mtad's own layout where it differs from Postfix's. */
#include "lint/private.h"

static bool
look(struct lint *l, const char *path, struct lint_stat *st)
{
	return path[0] != '\0' && l->host->stat(l->host->arg, path, true, st);
}

/* Root, or the one who runs everything as an ordinary user. */
static bool
is_trusted(const struct lint *l, unsigned uid)
{
	return uid == 0 || uid == l->host->uid;
}

struct tree {
	struct lint	*l;
	const char	*dir;
};

static void
check_config_file(void *arg, const char *name)
{
	struct tree *t = arg;
	struct lint *l = t->l;
	const char *path = arena_printf(&l->arena, "%s/%s", t->dir, name);
	static const char *const left[] = { ".rpmnew", ".rpmsave", ".dpkg-dist", ".dpkg-new", ".ucf-dist", ".pacnew" };
	struct lint_stat st, own;
	struct buf to = BUF_INIT(4096);

	/* It is no configuration, and mail_owner's. */
	if (strcmp(path, conf_str(l->main, P_data_directory)) == 0)
		return;

	for (size_t i = 0; i < sizeof left / sizeof *left; i++)
		if (span_ends(span_str(name), left[i]))
			lint_find(l, LINT_F121, at_path(path), "an upgrade left %s: what is new in it was not merged", name);
	if (l->host->stat(l->host->arg, path, false, &own) && own.type == 'l' && l->host->readlink(l->host->arg, path, &to) &&
	    strcmp(name, "makedefs.out") != 0 && (span_starts(buf_view(&to), "/") || span_starts(buf_view(&to), "..")) &&
	    !span_starts(buf_view(&to), t->dir))
		lint_find(l, LINT_F117, at_path(path), "this link leads out of the directory, to %s", to.ptr);
	buf_clear(&to);
	if (!look(l, path, &st) || (st.type != 'f' && st.type != 'd'))
		return;
	if (span_starts(span_str(name), "dynamicmaps.cf")) {
		if (!is_trusted(l, st.uid) || (st.mode & 022) != 0)
			lint_find(l, LINT_F114, at_path(path), "Postfix skips it because of its owner or mode");
		return;
	}
	if (!is_trusted(l, st.uid))
		lint_find(l, LINT_F101, at_path(path), "it belongs to user %u; it has to be root's", st.uid);
	/* In a directory with the sticky bit nobody replaces another's files: mailboxes may lie here. */
	bool sticky = st.type == 'd' && (st.mode & 01000) != 0;
	if ((st.mode & 022) != 0 && !sticky)
		lint_find(l, LINT_F102, at_path(path), "%s may write to it (mode %04o)", (st.mode & 02) != 0 ? "everybody" : "its group", st.mode);
}

static void
check_configuration(struct lint *l)
{
	struct tree t = { l, l->options->dir };
	struct lint_stat st;

	if (look(l, t.dir, &st) && st.type == 'd') {
		if (!is_trusted(l, st.uid))
			lint_find(l, LINT_F101, at_path(t.dir), "it belongs to user %u; it has to be root's", st.uid);
		if ((st.mode & 022) != 0)
			lint_find(l, LINT_F102, at_path(t.dir), "%s may write to it (mode %04o)",
			    (st.mode & 02) != 0 ? "everybody" : "its group", st.mode);
	}
	l->host->list(l->host->arg, t.dir, check_config_file, &t);
}

/* What mtad makes in the queue directory, and the widest rights that each may have. */
static const struct {
	const char	*name;
	unsigned	 mode;
} parts[] = { { "pid", 0755 }, { "public", 0755 }, { "private", 0700 }, { "spool", 0700 }, { "maildrop", 01730 } };

static void
check_queue(struct lint *l)
{
	const char *queue = conf_str(l->main, P_queue_directory), *data = conf_str(l->main, P_data_directory);
	unsigned owner = 0, group, queue_owner = 0;
	struct lint_stat st;

	bool known = l->host->user(l->host->arg, conf_str(l->main, P_mail_owner), &owner, &group);
	l->host->user(l->host->arg, conf_str(l->main, P_mtad_queue_owner), &queue_owner, &group);
	if (look(l, data, &st)) {
		if (strcmp(data, queue) == 0)
			lint_find(l, LINT_F107, at_param(l, NULL, P_data_directory), "data_directory and queue_directory are the same");
		else if ((st.mode & 022) != 0 || (known && st.uid != owner && !is_trusted(l, st.uid)))
			lint_find(l, LINT_F107, at_path(data), "owner %u, mode %04o: only mail_owner may write there", st.uid, st.mode);
	}
	if (!look(l, queue, &st) || st.type != 'd')
		return;
	if (!is_trusted(l, st.uid) || (st.mode & 022) != 0)
		lint_find(l, LINT_F103, at_path(queue), "owner %u, mode %04o: it has to be root's, and nobody else may write there", st.uid,
		    st.mode);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		const char *path = arena_printf(&l->arena, "%s/%s", queue, parts[i].name);
		if (!look(l, path, &st))
			lint_find(l, LINT_F105, at_path(path), "it is missing; mtad makes it at its start");
		else if ((st.mode & ~parts[i].mode) != 0 || (!is_trusted(l, st.uid) && st.uid != queue_owner && st.uid != owner))
			lint_find(l, LINT_F104, at_path(path), "owner %u, mode %04o: at most %04o", st.uid, st.mode, parts[i].mode);
	}
}

static void
check_helper(struct lint *l)
{
	static const char *const places[] = { "/usr/local/libexec/mtad/mtadrop", "/usr/libexec/mtad/mtadrop" };
	struct lint_stat st;
	unsigned gid = 0;

	bool known = l->host->group(l->host->arg, conf_str(l->main, P_setgid_group), &gid);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (look(l, places[i], &st) && ((st.mode & 02000) == 0 || (st.mode & 0111) != 0111 || (known && st.gid != gid)))
			lint_find(l, LINT_F106, at_path(places[i]), "group %u, mode %04o: users cannot drop mail while mtad is down", st.gid, st.mode);
}

static void
check_account(struct lint *l, enum param p)
{
	const char *name = conf_str(l->main, p);
	unsigned uid = 1, gid = 1;
	struct buf other = BUF_INIT(256);
	struct place at = at_param(l, NULL, p);

	if (l->host->uid != 0 && !is_set(l, p))
		return;		/* without root everything runs as the caller */
	if (!l->host->user(l->host->arg, name, &uid, &gid))
		lint_find_as(l, LINT_F108, is_set(l, p) ? LINT_ERROR : LINT_INFO, at, "%s: there is no account \"%s\"; mtad started by root needs it",
		    param_row(p)->name, name);
	else if (uid == 0 || gid == 0)
		lint_find(l, LINT_F108, at, "%s: \"%s\" is privileged", param_row(p)->name, name);
	else if (l->host->user_name(l->host->arg, uid, name, &other))
		lint_find(l, LINT_F108, at, "%s: \"%s\" shares its number with \"%s\"", param_row(p)->name, name, other.ptr);
	buf_clear(&other);
}

static void
check_accounts(struct lint *l)
{
	const char *privs = conf_str(l->main, P_default_privs), *owner = conf_str(l->main, P_mail_owner);
	unsigned uid = 1, gid = 1;

	check_account(l, P_mail_owner);
	check_account(l, P_mtad_queue_owner);
	if (!is_set(l, P_default_privs))
		return;
	bool known = l->host->user(l->host->arg, privs, &uid, &gid);
	if (strcmp(privs, owner) == 0 || !known || uid == 0)
		lint_find(l, LINT_F109, at_param(l, NULL, P_default_privs), "default_privs = %s: %s", privs,
		    !known ? "there is no such account" : "a privileged account, or mail_owner's");
}

/* Only Postfix's programs look for files from inside the chroot; mtad opens all before. */
static void
check_chroot(struct lint *l)
{
	static const char *const names[] = { "etc/resolv.conf", "etc/services", "etc/hosts", "etc/nsswitch.conf" };
	const char *queue = conf_str(l->main, P_queue_directory);
	struct lint_stat st, inner;
	bool any = false;

	for (size_t i = 0; i < l->service_count; i++)
		any = any || (l->services[i].counts && l->services[i].fields == 8 && span_eqs(l->services[i].field[4], "y"));
	if (!any || !look(l, queue, &st))
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *out = arena_printf(&l->arena, "/%s", names[i]), *in = arena_printf(&l->arena, "%s/%s", queue, names[i]);
		struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
		if (!look(l, out, &st))
			continue;
		if (!look(l, in, &inner))
			lint_find(l, LINT_F110, at_path(in), "Postfix's chrooted services would not see %s; mtad does", out);
		else if (l->host->read(l->host->arg, out, &a, NULL) && l->host->read(l->host->arg, in, &b, NULL) &&
		    !span_eq(buf_view(&a), buf_view(&b)))
			lint_find(l, LINT_F111, at_path(in), "it differs from %s; Postfix's chrooted services see the copy", out);
		buf_clear(&a);
		buf_clear(&b);
	}
}

static bool
runs_or_writes(struct lint *l, const struct table_entry *e, void *arg)
{
	(void)l;
	*(bool *)arg = *(bool *)arg || span_starts(e->value, "|") || span_starts(e->value, "\"|") || span_starts(e->value, "/");
	return !*(bool *)arg;
}

static bool
has_password(struct lint *l, const char *path)
{
	struct buf text = BUF_INIT(1 << 20);
	struct span rest, line;
	bool found = false;

	rest = l->host->read(l->host->arg, path, &text, NULL) ? buf_view(&text) : SPAN_NONE;
	while (rest.ptr != NULL && !found && span_cut(&rest, '\n', &line)) {
		line = span_ltrim(line);
		found = span_starts(line, "password") || span_starts(line, "bind_pw");
	}
	buf_clear(&text);
	return found;
}

static void
check_table_file(struct lint *l, const struct use *u, void *arg)
{
	static const char *const clients[] = { "mysql:/", "pgsql:/", "ldap:/", "sqlite:/", "memcache:/" };
	struct span text = span_starts(u->text, "proxy:") ? span_skip(u->text, 6) : u->text;
	const char *path = arena_str(&l->arena, span_skip(text, span_find(text, ':') + 1));
	struct lint_stat st;
	bool acts = false;

	(void)arg;
	if (path[0] != '/' || !look(l, path, &st))
		return;
	if ((u->param == P_alias_maps || u->param == P_alias_database) && !is_trusted(l, st.uid)) {
		each_entry(l, text, u->place, runs_or_writes, &acts);
		if (acts)
			lint_find(l, LINT_F112, at_path(path), "it belongs to user %u, and its commands and files are that user's to write", st.uid);
	}
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
		if (span_starts(text, clients[i]) && (st.mode & 04) != 0 && has_password(l, path))
			lint_find(l, LINT_F113, at_path(path), "everybody can read the password in it (mode %04o)", st.mode);
}

static void
check_mailboxes(struct lint *l)
{
	const char *spool = conf_str(l->main, P_mail_spool_directory), *base = conf_str(l->main, P_virtual_mailbox_base);
	struct span uids = span_str(conf_str(l->main, P_virtual_uid_maps));
	struct lint_stat st;

	if (is_set(l, P_mail_spool_directory) && look(l, spool, &st) && !span_ends(span_str(spool), "/") && is_trusted(l, st.uid) &&
	    l->host->uid == 0 && (st.mode & 01777) != 01777 && (st.mode & 02775) != 02775)
		lint_find(l, LINT_F115, at_path(spool), "mode %04o: mailboxes cannot be made there; use 1777, or 2775 and group mail", st.mode);
	if (base[0] == '\0' || conf_str(l->main, P_virtual_mailbox_domains)[0] == '\0')
		return;
	if (!look(l, base, &st))
		lint_find(l, LINT_F116, at_param(l, NULL, P_virtual_mailbox_base), "%s does not exist: mail for virtual mailboxes waits", base);
	else if (span_starts(uids, "static:") && (st.mode & 02) == 0 &&
	    !span_eqs(span_skip(uids, 7), arena_printf(&l->arena, "%u", st.uid)) && (st.mode & 020) == 0)
		lint_find(l, LINT_F116, at_path(base), "user %.*s cannot write there: mail waits", SPAN_ARG(span_skip(uids, 7)));
}

static void
check_directories(struct lint *l)
{
	static const struct { enum param p; enum lint_level level; } dirs[] = {
		{ P_queue_directory, LINT_ERROR }, { P_data_directory, LINT_ERROR }, { P_mail_spool_directory, LINT_ERROR },
		{ P_daemon_directory, LINT_INFO }, { P_command_directory, LINT_INFO }, { P_meta_directory, LINT_INFO },
		{ P_shlib_directory, LINT_INFO },
	};
	struct lint_stat st;

	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		struct span path = span_str(conf_str(l->main, dirs[i].p));
		if (!is_set(l, dirs[i].p) || !span_starts(path, "/"))
			continue;
		/* The last part of these is made at the start. */
		bool made = dirs[i].p == P_queue_directory || dirs[i].p == P_data_directory;
		size_t parent = span_rfind(path, '/');
		const char *want = arena_str(&l->arena, made && parent > 0 ? span_head(path, parent) : path);
		if (!look(l, want, &st) && !look(l, arena_str(&l->arena, path), &st))
			lint_find_as(l, LINT_F123, dirs[i].level, at_param(l, NULL, dirs[i].p), "%s: %s does not exist", param_row(dirs[i].p)->name,
			    want);
	}
}

static void
check_logs(struct lint *l)
{
	struct span file = span_str(conf_str(l->main, P_maillog_file));
	struct lint_stat st;

	if (file.len == 0 && !look(l, "/dev/log", &st))
		lint_find(l, LINT_F124, at_path("/dev/log"), "there is no such socket: nobody takes the log");
	size_t parent = span_rfind(file, '/');
	if (span_starts(file, "/") && parent > 0 && !span_starts(file, "/dev/") &&
	    !look(l, arena_str(&l->arena, span_head(file, parent)), &st))
		lint_find(l, LINT_F124, at_param(l, NULL, P_maillog_file), "the directory %.*s does not exist", SPAN_ARG(span_head(file, parent)));
}

static void
check_rest(struct lint *l)
{
	struct lint_stat a, b, pid;
	struct span host, port;
	const struct source *both[] = { &l->main_cf, &l->master_cf };
	const char *pid_file = arena_printf(&l->arena, "%s/pid/master.pid", conf_str(l->main, P_queue_directory));

	if (look(l, "/usr/sbin/sendmail", &a) && look(l, "/usr/lib/sendmail", &b) && (a.size != b.size || a.mtime != b.mtime))
		lint_find(l, LINT_F118, at_path("/usr/lib/sendmail"), "it is not the same as /usr/sbin/sendmail: programs may submit to another mail system");
	for (size_t i = 0; i < 2; i++)
		if (look(l, pid_file, &pid) && look(l, both[i]->path, &a) && a.mtime > pid.mtime)
			lint_find(l, LINT_F120, at_file(both[i]), "it was edited after the daemon started; unless that was before a reload, it is not in use");
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		struct buf who = BUF_INIT(256);
		if (!s->counts || s->fields != 8 || !span_eqs(s->field[1], "inet"))
			continue;
		split_endpoint(s->field[0], &host, &port);
		unsigned n = port_of(l, port);
		if (n != 0 && l->host->listens(l->host->arg, n, &who) == 1 && who.len > 0 && !span_starts(buf_view(&who), "mtad") &&
		    !span_eqs(buf_view(&who), "master"))
			lint_find(l, LINT_F119, at_span(s->logical, s->field[0]), "%s listens on port %u already", who.ptr, n);
		buf_clear(&who);
	}
}

/* Another instance's own directories, as its main.cf names them. */
static void
check_instances(struct lint *l)
{
	static const enum param dirs[] = { P_queue_directory, P_data_directory };
	struct span rest = span_str(conf_str(l->main, P_multi_instance_directories)), dir, line, file;

	while (span_word(&rest, LINT_SEPS, &dir)) {
		struct buf text = BUF_INIT(1 << 20);
		const char *path = arena_printf(&l->arena, "%.*s/main.cf", SPAN_ARG(dir));
		file = l->host->read(l->host->arg, path, &text, NULL) ? buf_view(&text) : SPAN_NONE;
		while (file.ptr != NULL && span_cut(&file, '\n', &line))
			for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
				size_t eq = span_find(line, '=');
				if (eq < line.len && span_eqs(span_trim(span_head(line, eq)), param_row(dirs[i])->name) &&
				    span_eqs(span_trim(span_skip(line, eq + 1)), conf_str(l->main, dirs[i])))
					lint_find(l, LINT_F122, at_word_of(l, NULL, P_multi_instance_directories, dir), "%.*s has the same %s", SPAN_ARG(dir),
					    param_row(dirs[i])->name);
			}
		buf_clear(&text);
	}
}

void
lint_files(struct lint *l)
{
	check_configuration(l);
	check_queue(l);
	check_helper(l);
	check_accounts(l);
	check_chroot(l);
	each_table(l, check_table_file, NULL);
	check_mailboxes(l);
	check_directories(l);
	check_logs(l);
	check_rest(l);
	check_instances(l);
}
