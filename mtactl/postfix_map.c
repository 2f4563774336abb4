/*
 * postmap -q and postalias -q: a table asked for keys. The tables that are built into files come with a later version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mtactl/postfix.h"
#include "table/table.h"

static int
usage(const struct postfix *p)
{
	return postfix_fatal(p->name, "usage: %s [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...", p->name);
}

/* The configuration reads the text of tables when it is loaded; one that is nothing but a list of this table reads this one. */
static struct conf *
load_for(const struct postfix *p, const char *spec)
{
	struct conf_problems problems = { .count = 0 };
	struct buf main_cf = BUF_INIT(65536), path = BUF_INIT(65536);
	struct conf *conf = NULL;

	for (const char *at = spec; *at != '\0'; at++) {
		if (*at == '$')
			buf_char(&path, '$');
		buf_char(&path, *at == '\n' ? ' ' : *at);
	}
	buf_printf(&main_cf, "transport_maps = %s\n", path.len > 0 ? path.ptr : "");
	if (!main_cf.over && !path.over)
		conf = conf_parse(p->session.conf_dir, buf_view(&main_cf), SPAN_NONE, &problems);
	if (conf == NULL && problems.count > 0)
		postfix_fatal(p->name, "%s", problems.items[problems.count - 1].text);
	buf_clear(&main_cf);
	buf_clear(&path);
	conf_problems_clear(&problems);
	return conf;
}

static struct table *
open_table(const struct postfix *p, const char *spec, struct conf **conf)
{
	struct err err = { .kind = ERR_NONE };
	struct span type = span_head(span_str(spec), span_find(span_str(spec), ':'));
	struct table *t = NULL;

	*conf = NULL;
	if (type.len == strlen(spec))
		postfix_fatal(p->name, "%s: name a type, such as texthash:%s", spec, spec);
	else if ((*conf = load_for(p, spec)) != NULL && (t = table_open(*conf, span_str(spec), &err)) == NULL)
		postfix_fatal(p->name, "%s", err.text);
	return t;
}

struct tables_asked {
	const struct postfix *postfix;
	struct table	**tables;
	size_t		 count;
};

/* 0 found, 1 not; POSTFIX_NOT_YET and said where the table cannot answer. */
static int
look_up(const struct tables_asked *a, struct span key, bool with_key)
{
	struct err err = { .kind = ERR_NONE };
	struct buf value = BUF_INIT(0);
	int status = 1;

	for (size_t i = 0; status == 1 && i < a->count; i++) {
		enum table_result r = table_get(a->tables[i], NULL, key, &value, &err);
		if (r == TABLE_FOUND)
			status = 0;
		else if (r == TABLE_PENDING)
			status = postfix_not_yet(a->postfix->name, "a table that only the daemon can ask");
		else if (r == TABLE_FAILED)
			status = postfix_fatal(a->postfix->name, "%s: %s", table_name(a->tables[i]), err.text) + 1;
	}
	if (status == 0 && with_key)
		printf("%.*s\t", SPAN_ARG(key));
	if (status == 0)
		printf("%.*s\n", SPAN_ARG(buf_view(&value)));
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

static int
query(const struct postfix *p, const char *key, char *const *specs, size_t n)
{
	struct table **tables = mem_array(n, sizeof(struct table *));
	struct conf **confs = mem_array(n, sizeof(struct conf *));
	struct tables_asked a = { .postfix = p, .tables = tables };
	int status = 0;

	for (size_t i = 0; status == 0 && i < n; i++) {
		if ((tables[i] = open_table(p, specs[i], &confs[i])) == NULL)
			status = POSTFIX_FATAL;
		a.count = i + 1;
	}
	if (status == 0)
		status = strcmp(key, "-") == 0 ? look_up_stdin(&a) : look_up(&a, span_str(key), false);
	for (size_t i = 0; i < a.count; i++) {
		table_free(tables[i]);
		conf_unref(confs[i]);
	}
	free(tables);
	free(confs);
	return status > 1 && status < 64 ? POSTFIX_FATAL : status;
}

int
postmap_main(struct postfix *p, int argc, char **argv)
{
	const char *key = NULL;
	bool others = false;
	int option;

	while ((option = getopt(argc, argv, "bc:d:fFhimnNopq:rsuUvw")) != -1) {
		if (option == '?')
			return usage(p);
		if (option == 'c')
			p->session.conf_dir = optarg;
		else if (option == 'q')
			key = optarg;
		else
			others = others || strchr("bdFhims", option) != NULL;
	}
	if (others)
		return postfix_not_yet(p->name, "any option but -q (and -c, -f, -v)");
	if (key == NULL)
		return optind == argc ? usage(p) : postfix_not_yet(p->name, "building a table");
	if (optind == argc)
		return usage(p);
	return query(p, key, argv + optind, (size_t)(argc - optind));
}
