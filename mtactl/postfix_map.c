/*
 * postmap and postalias: their options; -q, a table asked for keys; -s, its entries.
 */
#include "mtactl/postfix_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "table/build_files.h"
#include "table/compiled.h"
#include "table/named.h"
#include "table/table.h"

/* To the letter, but for a terminal. */
static void
write_text(struct span text)
{
	struct buf safe = BUF_INIT(0);

	if (isatty(STDOUT_FILENO) != 0)
		safe_text(&safe, text, false);
	else
		buf_span(&safe, text);
	if (safe.len > 0)
		(void)fwrite(safe.ptr, 1, safe.len, stdout);
	buf_clear(&safe);
}

static int
usage(const struct postfix *p)
{
	return postfix_fatal(p->name, strcmp(p->name, "postalias") == 0 ?
	    "usage: %s [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file..." :
	    "usage: %s [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...", p->name);
}

/* -- what is asked with ------------------------------------------------------------------------------ */

static void
on_warning(void *arg, const char *path, unsigned line, const char *text)
{
	const struct postfix *p = arg;

	if (line == 0)
		postfix_warn(p->name, "%s: %s", path, text);
	else
		postfix_warn(p->name, "%s, line %u: %s", path, line, text);
}

/* Tables can be asked where the configuration is wrong, too; then with the built-in one. */
static struct conf *
load(const struct postfix *p)
{
	struct conf_problems problems = { .count = 0 };

	struct conf *conf = conf_load(p->session.conf_dir, NULL, 0, &problems);
	conf_problems_clear(&problems);
	if (conf == NULL)
		conf = conf_parse(p->session.conf_dir, SPAN_NONE, SPAN_NONE, &problems);
	conf_problems_clear(&problems);
	return conf;
}

void
postmap_spec(const struct postmap *m, const char *word, struct buf *spec)
{
	if (strchr(word, ':') == NULL)
		buf_printf(spec, "%s:", conf_str(conf_main(m->conf), P_default_database_type));
	buf_str(spec, word);
}

static struct table *
open_table(const struct postmap *m, const char *word)
{
	struct err err = { .kind = ERR_NONE };
	struct buf spec = BUF_INIT(0);
	struct table *t;

	postmap_spec(m, word, &spec);
	if ((t = table_open(m->conf, buf_view(&spec), &err)) == NULL)
		postfix_fatal(m->postfix->name, "%s", err.text);
	buf_clear(&spec);
	return t;
}

/* -- values that are files (-F) -------------------------------------------------------------------------- */

/* Of a table that is built, they are in it; another's text names them. False, and said, where the value is bad. */
static bool
value_of_files(const struct postmap *m, const struct table *t, struct span key, struct buf *value)
{
	struct span type = span_head(span_str(table_name(t)), span_find(span_str(table_name(t)), ':'));
	struct buf content = BUF_INIT(0);
	struct err err = { .kind = ERR_NONE };
	bool ok;

	if (table_type_compiled(type)) {
		if (!(ok = base64_decode(&content, buf_view(value))))
			postfix_warn(m->postfix->name, "table %s" COMPILED_SUFFIX ": key %.*s: malformed BASE64 value: %.*s", table_name(t), SPAN_ARG(key),
			    SPAN_ARG(span_head(buf_view(value), 100)));
	} else if (!(ok = build_files_read(buf_view(value), &content, &err))) {
		postfix_warn(m->postfix->name, "table %s: key %.*s: %s", table_name(t), SPAN_ARG(key), err.text);
	}
	buf_clear(value);
	*value = content;
	return ok;
}

/* -- asking -------------------------------------------------------------------------------------------- */

struct tables_asked {
	const struct postmap *map;
	const struct postfix *postfix;
	struct table	**tables;
	size_t		 count;
};

/* 0 found, 1 not; more than 1, and said, where the table cannot answer. */
static int
look_up(const struct tables_asked *a, struct span key, bool with_key)
{
	struct err err = { .kind = ERR_NONE };
	struct buf value = BUF_INIT(0);
	int status = 1;

	for (size_t i = 0; status == 1 && i < a->count; i++) {
		enum table_result r = table_get(a->tables[i], NULL, key, &value, &err);
		if (r == TABLE_FOUND && a->map->files && !value_of_files(a->map, a->tables[i], key, &value))
			status = postfix_fatal(a->postfix->name, "table %s: query error", table_name(a->tables[i])) + 1;
		else if (r == TABLE_FOUND)
			status = 0;
		else if (r == TABLE_PENDING)
			status = postfix_not_yet(a->postfix->name, "a table that only the daemon can ask");
		else if (r == TABLE_FAILED)
			status = postfix_fatal(a->postfix->name, "table %s: query error: %s", table_name(a->tables[i]), err.text) + 1;
	}
	if (status == 0 && with_key) {
		write_text(key);
		fputs(a->map->aliases ? ":\t" : "\t", stdout);
	}
	if (status == 0) {
		write_text(buf_view(&value));
		putchar('\n');
	}
	buf_clear(&value);
	return status;
}

static int
look_up_stdin(const struct tables_asked *a)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int status = 1;

	while (status <= 1 && (n = getline(&line, &size, stdin)) >= 0) {
		struct span key = span_of(line, (size_t)n);
		if (span_ends(key, "\n"))
			key.len--;
		int one = look_up(a, key, true);
		if (one != 1)
			status = one;
	}
	free(line);
	return status;
}

struct message_asked {
	const struct tables_asked *tables;
	int		 status;
};

static bool
look_up_key(void *arg, struct span key)
{
	struct message_asked *a = arg;
	int one = look_up(a->tables, key, true);

	if (one != 1)
		a->status = one;
	return a->status <= 1;
}

static int
look_up_message(const struct tables_asked *a)
{
	struct message_asked asked = { a, 1 };
	struct buf message;

	postmap_read_stdin(&message);
	postmap_message(a->map, buf_view(&message), look_up_key, &asked);
	buf_clear(&message);
	return asked.status;
}

static int
query(const struct postmap *m, char *const *words, size_t n)
{
	struct tables_asked a = { .map = m, .postfix = m->postfix, .tables = mem_array(n, sizeof(struct table *)) };
	int status = 0;

	for (; status == 0 && a.count < n; a.count++)
		if ((a.tables[a.count] = open_table(m, words[a.count])) == NULL)
			status = POSTFIX_FATAL;
	if (status == 0)
		status = m->headers || m->body ? look_up_message(&a) : strcmp(m->query, "-") == 0 ? look_up_stdin(&a) : look_up(&a, span_str(m->query), false);
	for (size_t i = 0; i < a.count; i++)
		table_free(a.tables[i]);
	free(a.tables);
	return status > 1 && status < 64 ? POSTFIX_FATAL : status;
}

struct listing {
	const struct postmap *map;
	const struct table *table;
};

static bool
print_entry(void *arg, struct span key, struct span value)
{
	const struct listing *l = arg;
	const struct postmap *m = l->map;
	struct buf content = BUF_INIT(0);

	if (m->files) {
		buf_span(&content, value);
		if (!value_of_files(m, l->table, key, &content)) {
			buf_clear(&content);
			return true;
		}
		value = buf_view(&content);
	}
	write_text(key);
	fputs(m->aliases ? ":\t" : "\t", stdout);
	write_text(value);
	buf_clear(&content);
	return putchar('\n') != EOF;
}

static int
list(struct postmap *m, char *const *words, size_t n)
{
	struct err err = { .kind = ERR_NONE };

	for (size_t i = 0; i < n; i++) {
		struct table *t = open_table(m, words[i]);
		bool ok = t != NULL && table_each(t, print_entry, &(struct listing){ m, t }, &err);
		if (t != NULL && !ok)
			postfix_fatal(m->postfix->name, "%s: %s", table_name(t), err.text);
		table_free(t);
		if (!ok)
			return POSTFIX_FATAL;
	}
	return 0;
}

/* -- options -------------------------------------------------------------------------------------------- */

/* False where the option cannot be had. */
static bool
take_option(struct postmap *m, int option)
{
	switch (option) {
	case 'b': m->body = true; return true;
	case 'F': m->files = m->build.files = true; return true;
	case 'h': m->headers = true; return true;
	case 'm': m->mime = true; return true;
	case 'c': m->postfix->session.conf_dir = optarg; return true;
	case 'd': m->delete_ = optarg; return true;
	case 'f': m->build.keep_case = true; return true;
	case 'i': m->insert = true; return true;
	case 'o': m->build.stay_root = true; return true;
	case 'p': m->build.plain_mode = true; return true;
	case 'q': m->query = optarg; return true;
	case 'r': m->build.duplicates = BUILD_DUP_REPLACE; return true;
	case 's': m->list = true; return true;
	case 'w': m->build.duplicates = BUILD_DUP_IGNORE; return true;
	case 'n': case 'N':	/* NUL behind keys: none is needed in our files */
	case 'u': case 'U':	/* keys are bytes here */
	case 'v': return true;
	default: return false;
	}
}

/* Whether the options go together; said where not. */
static bool
options_fit(struct postmap *m)
{
	if ((m->query != NULL) + (m->delete_ != NULL) + m->list > 1)
		postfix_fatal(m->postfix->name, "specify only one of -s -q or -d");
	else if ((m->headers || m->body) && (m->query == NULL || strcmp(m->query, "-") != 0))
		postfix_fatal(m->postfix->name, "specify -b -h or -m only with \"-q -\"");
	else
		return true;
	return false;
}

static int
build_all(struct postmap *m, char *const *words, size_t n)
{
	struct buf spec = BUF_INIT(0);
	int status = 0;

	for (size_t i = 0; status == 0 && i < n; i++) {
		buf_reset(&spec);
		postmap_spec(m, words[i], &spec);
		status = m->insert ? postmap_change(m, spec.ptr) : postmap_build(m, spec.ptr);
	}
	buf_clear(&spec);
	return status;
}

static int
run(struct postmap *m, char *const *words, size_t n)
{
	table_use(&(struct table_env){ .warn = on_warning, .arg = m->postfix, .blocks = true, .keep_case = m->build.keep_case });
	m->conf = load(m->postfix);
	if (m->conf == NULL)
		return postfix_fatal(m->postfix->name, "the configuration cannot be read");
	int status = m->query != NULL ? query(m, words, n) : m->delete_ != NULL ? postmap_delete(m, words, n) :
	    m->list ? list(m, words, n) : build_all(m, words, n);
	conf_unref(m->conf);
	table_use(&(struct table_env){ .open = NULL });
	return status;
}

int
postmap_main(struct postfix *p, int argc, char **argv)
{
	struct postmap m = { .postfix = p, .aliases = strcmp(p->name, "postalias") == 0 };
	int option;

	m.build.aliases = m.aliases;
	while ((option = getopt(argc, argv, m.aliases ? "c:d:finNopq:rsuvw" : "bc:d:fFhimnNopq:rsuUvw")) != -1)
		if (!take_option(&m, option))
			return usage(p);
	if (!options_fit(&m))
		return POSTFIX_FATAL;
	if (m.mime && !m.headers && !m.body)
		postfix_warn(p->name, "ignoring -m option without -b or -h");
	if (optind == argc)
		return usage(p);
	return run(&m, argv + optind, (size_t)(argc - optind));
}

/* -- newaliases ------------------------------------------------------------------------------------------ */

int
newaliases_main(struct postfix *p, int argc, char **argv)
{
	struct postmap m = { .postfix = p, .aliases = true, .build.aliases = true };
	struct span rest, word;
	int status = 0;

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "-C") == 0)
			p->session.conf_dir = argv[++i];
	table_use(&(struct table_env){ .warn = on_warning, .arg = p });
	if ((m.conf = load(p)) == NULL)
		return postfix_fatal(p->name, "the configuration cannot be read");
	rest = span_str(conf_str(conf_main(m.conf), P_alias_database));
	while (status == 0 && table_word(&rest, &word)) {
		char *spec = span_dup(word);
		status = postmap_build(&m, spec);
		free(spec);
	}
	conf_unref(m.conf);
	table_use(&(struct table_env){ .open = NULL });
	return status;
}
