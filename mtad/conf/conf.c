#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/notice_text.h"
#include "conf/private.h"

struct conf *
conf_new(const char *dir)
{
	struct conf *c;

	MEM_NEW(c);
	c->refs = 1;
	c->dir = mem_str(dir);
	c->settings = MAP_INIT(setting_key);
	c->main.conf = c;
	c->main.overrides = MAP_INIT(setting_key);
	return c;
}

struct conf *
conf_ref(struct conf *c)
{
	c->refs++;
	return c;
}

static void
free_items(struct conf *c)
{
	struct conf_file *f;
	size_t at = 0;
	char *s;

	while (c->strings.key != NULL && (s = map_next(&c->strings, &at)) != NULL)
		free(s);
	at = 0;
	while (c->files.key != NULL && (f = map_next(&c->files, &at)) != NULL) {
		free(f->path);
		free(f->data);
		free(f);
	}
	map_clear(&c->strings);
	map_clear(&c->files);
}

void
conf_unref(struct conf *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	for (size_t i = 0; i < c->line_count; i++) {
		if (c->lines[i]->view.values != c->main.values)
			free(c->lines[i]->view.values);
		line_free(c->lines[i]);
	}
	free(c->lines);
	settings_clear(&c->settings);
	for (size_t i = 0; i < HOST_COUNT; i++)
		setting_free(c->host[i]);
	free_items(c);
	free(c->main.values);
	free(c->dir);
	free(c);
}

/* Reads DIR/NAME and gives it to the parser; false where there is none. */
static bool
parse_file(struct conf *c, const char *name, struct conf_problems *problems,
    void (*parse)(struct conf *, struct span, const char *, struct conf_problems *))
{
	struct buf path = BUF_INIT(8192), text = BUF_INIT(CONF_TEXT_MAX + 65536);
	struct err err = { ERR_NONE, "" };
	bool there = true;

	buf_printf(&path, "%s/%s", c->dir, name);
	if (path.over || path.ptr == NULL) {
		conf_problem_add(problems, PROBLEM_ERROR, name, 0, "the path of the directory is too long");
	} else if (access(path.ptr, F_OK) != 0 && errno == ENOENT) {
		there = false;
	} else if (!conf_slurp(path.ptr, &text, &err)) {
		conf_problem_add(problems, PROBLEM_ERROR, path.ptr, 0, "%s", err.text);
	} else {
		parse(c, buf_view(&text), path.ptr, problems);
	}
	buf_clear(&path);
	buf_clear(&text);
	return there;
}

static void
apply_overrides(struct conf *c, const struct conf_override *o, size_t n, struct conf_problems *problems)
{
	for (size_t i = 0; i < n; i++) {
		struct span name = span_trim(span_str(o[i].name));
		if (name.len == 0 || name.len > 256) {
			conf_problem_add(problems, PROBLEM_ERROR, NULL, 0,
			    "-o: \"%s\" is no parameter name; write -o name=value", o[i].name);
			continue;
		}
		setting_free(map_del(&c->settings, name));
		map_add(&c->settings, setting_new(name, span_trim(span_str(o[i].value)), 0));
	}
}

/* A line without a number gets default_process_limit. */
static void
fill_limits(struct conf *c)
{
	for (size_t i = 0; i < c->line_count; i++)
		if (c->lines[i]->service.maxproc < 0)
			c->lines[i]->service.maxproc = (int)conf_int(&c->main, P_default_process_limit);
}

/* What is there once both files are parsed; NULL where there were errors. */
static struct conf *
finish(struct conf *c, struct conf_problems *problems)
{
	host_compute(c);
	values_evaluate(c, problems);
	values_check_names(c, problems);
	files_read(c, problems);
	if (problems->errors == 0)
		notice_texts_check(c, problems);
	fill_limits(c);
	if (problems->errors == 0)
		services_disable(c, problems);
	if (problems->errors == 0)
		return c;
	conf_unref(c);
	return NULL;
}

struct conf *
conf_parse(const char *dir, struct span main_cf, struct span master_cf, struct conf_problems *problems)
{
	struct conf *c = conf_new(dir);

	main_cf_parse(c, main_cf, "main.cf", problems);
	master_cf_parse(c, master_cf, "master.cf", problems);
	return finish(c, problems);
}

struct conf *
conf_load(const char *dir, const struct conf_override *overrides, size_t n, struct conf_problems *problems)
{
	/* $config_directory should mean the same from everywhere. */
	char *whole = dir[0] == '/' ? NULL : realpath(dir, NULL);
	struct conf *c = conf_new(whole != NULL ? whole : dir);

	free(whole);

	parse_file(c, "main.cf", problems, main_cf_parse);
	apply_overrides(c, overrides, n, problems);
	if (!parse_file(c, "master.cf", problems, master_cf_parse))
		master_cf_parse(c, span_str(master_cf_builtin), "the built-in master.cf", problems);
	return finish(c, problems);
}

const char *
conf_dir(const struct conf *c)
{
	return c->dir;
}

size_t
conf_service_count(const struct conf *c)
{
	return c->line_count;
}

const struct service *
conf_service(const struct conf *c, size_t index)
{
	return index < c->line_count ? &c->lines[index]->service : NULL;
}

const struct service *
conf_transport(const struct conf *c, struct span name)
{
	for (size_t i = 0; i < c->line_count; i++) {
		const struct service *s = &c->lines[i]->service;
		if (s->type != SERVICE_INET && span_eqs(name, s->name))
			return s;
	}
	return NULL;
}

const struct view *
conf_view(const struct conf *c, const struct service *s)
{
	return s == NULL ? &c->main : &c->lines[s->index]->view;
}

const struct view *
conf_program(const struct conf *c, const char *command)
{
	for (size_t i = 0; i < c->line_count; i++)
		if (strcmp(c->lines[i]->service.command, command) == 0)
			return &c->lines[i]->view;
	return &c->main;
}

const struct view *
conf_main(const struct conf *c)
{
	return &c->main;
}

struct conf *
view_conf(const struct view *v)
{
	return v->conf;
}

const struct service *
view_service(const struct view *v)
{
	return v->service;
}

static const union value *
get(const struct view *v, enum param p, enum param_type type)
{
	if (param_row(p)->type != type)
		panic("%s is asked for with the wrong type", param_row(p)->name);
	return &v->values->of[p];
}

const char *
conf_str(const struct view *v, enum param p)
{
	return get(v, p, PARAM_STR)->str;
}

int64_t
conf_int(const struct view *v, enum param p)
{
	return get(v, p, PARAM_INT)->num;
}

int64_t
conf_time(const struct view *v, enum param p)
{
	return get(v, p, PARAM_TIME)->num;
}

bool
conf_bool(const struct view *v, enum param p)
{
	return get(v, p, PARAM_BOOL)->num != 0;
}

const char *
conf_raw(const struct view *v, struct span name)
{
	return view_raw(v, name, NULL);
}

bool
conf_expanded(const struct view *v, struct span name, struct buf *out, struct err *err)
{
	const char *raw = view_raw(v, name, NULL);
	if (raw == NULL) {
		err_set(err, ERR_PERM, "%.*s is not set and has no default", SPAN_ARG(name));
		return false;
	}
	return view_expand(v, span_str(raw), out, err);
}

bool
conf_expand(const struct view *v, struct span text, struct buf *out, struct err *err)
{
	return view_expand(v, text, out, err);
}

unsigned
conf_line(const struct conf *c, struct span name)
{
	const struct setting *s = map_get(&c->settings, name);
	return s == NULL ? 0 : s->line;
}

const char *
conf_addresses(const struct conf *c)
{
	return c->host[HOST_ADDRESSES] == NULL ? "" : c->host[HOST_ADDRESSES]->value;
}
