/* map check: targets that lead nowhere. What the daemon would answer at RCPT for each address that an alias gives; transports that master.cf has not. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mtactl/map_check.h"
#include "mtactl/route_check.h"
#include "table/build.h"
#include "table/files.h"
#include "table/table.h"

static bool
used_by(const struct map_check *c, const char *param)
{
	struct span rest = span_str(c->users), one;

	while (span_cut(&rest, ',', &one)) {
		one = span_trim(one);
		if (span_eqs(one, param) || (one.len > strlen(param) + 1 && span_ends(one, param) && one.ptr[one.len - strlen(param) - 1] == ' '))
			return true;
	}
	return false;
}

/* The next of a list, cut at commas outside of quotes; quotes around the whole are taken off. */
static bool
next_target(struct span *rest, struct span *target)
{
	bool quoted = false;
	size_t n = 0;

	if (rest->len == 0)
		return false;
	for (; n < rest->len && (quoted || rest->ptr[n] != ','); n++) {
		if (rest->ptr[n] == '\\' && n + 1 < rest->len)
			n++;
		else if (rest->ptr[n] == '"')
			quoted = !quoted;
	}
	n = n > rest->len ? rest->len : n;
	*target = span_trim(span_head(*rest, n));
	*rest = span_skip(*rest, n + 1);
	if (target->len >= 2 && span_starts(*target, "\"") && span_ends(*target, "\"") && span_find(span_skip(*target, 1), '"') == target->len - 2)
		*target = span_of(target->ptr + 1, target->len - 2);
	return true;
}

static void
check_include(struct map_check *c, unsigned line, struct span path)
{
	char *name = span_dup(path);

	if (access(name, R_OK) != 0)
		map_finding(c, false, c->name, line, ":include:%s cannot be read", name);
	free(name);
}

static void
check_address(struct map_check *c, struct route_check *check, const struct source_entry *e, struct span target)
{
	struct buf why = BUF_INIT(2000);

	/* "\user" is the user, past the aliases. */
	if (span_starts(target, "\\"))
		target = span_skip(target, 1);
	if (route_check_refused(check, target, &why))
		map_finding(c, false, c->name, e->line, "%.*s leads to %.*s, which is refused: %.*s", SPAN_ARG(span_head(e->key, 200)),
		    SPAN_ARG(span_head(target, 200)), SPAN_ARG(buf_view(&why)));
	buf_clear(&why);
}

static void
check_addresses(struct map_check *c, struct route_check *check, const struct source_entry *e)
{
	struct span rest = e->value, target;

	while (next_target(&rest, &target)) {
		bool special = c->aliases && (span_starts(target, "|") || span_starts(target, "/") || span_starts(target, "\"|"));
		if (c->aliases && span_starts(target, ":include:"))
			check_include(c, e->line, span_skip(target, 9));
		/* "@other.test" keeps the local part: no address by itself. */
		else if (target.len > 0 && !special && !span_starts(target, "@"))
			check_address(c, check, e, target);
	}
}

static void
check_transport(struct map_check *c, const struct source_entry *e)
{
	struct span name = span_head(e->value, span_find(e->value, ':'));

	if (name.len > 0 && !span_has(name, '$') && conf_transport(c->conf, name) == NULL)
		map_finding(c, false, c->name, e->line, "%.*s is routed by \"%.*s\", which master.cf has not: its mail will wait",
		    SPAN_ARG(span_head(e->key, 200)), SPAN_ARG(span_head(name, 100)));
}

/* -- tables that are not compiled yet are asked by their text ---------------------------------------------------------- */

static const struct table_file *all_files;
static size_t all_count;

static int
open_table(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct err err;

	for (size_t i = 0; fd < 0 && i < all_count; i++) {
		const struct table_file *f = &all_files[i];
		const struct build_options options = { .aliases = f->aliases };
		if (f->text != NULL && strcmp(f->path, path) == 0 && !table_build_memory(f->text, &options, &fd, &err))
			fd = -1;
	}
	if (fd < 0)
		errno = ENOENT;
	return fd;
}

void
map_check_targets(struct map_check *c)
{
	bool transports = used_by(c, "transport_maps");
	bool addresses = c->aliases || used_by(c, "virtual_alias_maps") || used_by(c, "recipient_bcc_maps") || used_by(c, "sender_bcc_maps");
	struct source_entry e;

	/* What is wrong with other tables is told where they are looked at. */
	struct table_file *files;
	all_count = table_files(c->conf, &files);
	all_files = files;
	table_use(&(struct table_env){ .open = open_table, .blocks = true });
	struct route_check *check = addresses ? route_check_new(c->session) : NULL;

	for (size_t i = 0; i < source_count(c->source); i++) {
		if (!source_entry(c->source, i, &e) || e.kind != SOURCE_PAIR || span_has(e.value, '$'))
			continue;
		if (transports)
			check_transport(c, &e);
		if (check != NULL)
			check_addresses(c, check, &e);
	}
	route_check_free(check);
	table_files_free(files, all_count);
	all_count = 0;
}
