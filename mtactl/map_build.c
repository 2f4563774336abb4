/* map types, map build. */
#include <stdlib.h>

#include "mtactl/local.h"
#include "table/build.h"
#include "table/files.h"

static void
warn(void *arg, const char *path, unsigned line, const char *text)
{
	if (line > 0)
		session_say(arg, "warning: %s, line %u: %s", path, line, text);
	else
		session_say(arg, "warning: %s: %s", path, text);
}

static int
types(struct session *s)
{
	const char *name;

	for (size_t i = 0; (name = table_type_name(i)) != NULL; i++) {
		struct buf row = BUF_INIT(0);
		struct jsonl j = { .out = &row };
		jsonl_object(&j, NULL);
		jsonl_str(&j, "type", span_str(name));
		jsonl_str(&j, "how", table_type_compiled(span_str(name)) ? SPAN("built from its text: NAME.gdbm") :
		    table_type_blocks(span_str(name)) ? SPAN("asked by the lookup role") : SPAN("read as it is"));
		jsonl_end_object(&j);
		session_row(s, buf_view(&row));
		buf_clear(&row);
	}
	return 0;
}

static int
build(struct session *s, const char *path, bool aliases)
{
	const struct table_env env = { .warn = warn, .arg = s };
	const struct build_options options = { .aliases = aliases };
	struct err err = { .kind = ERR_NONE };
	struct buf row = BUF_INIT(0), file = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	size_t count = 0;

	table_use(&env);
	if (!table_build(path, &options, &count, &err))
		return local_fail(s, &err);
	buf_printf(&file, "%s.gdbm", path);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "file", buf_view(&file));
	jsonl_i64(&j, "entries", (int64_t)count);
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	buf_clear(&row);
	buf_clear(&file);
	return 0;
}

/* The daemon would find it a second later. */
static void
look(struct session *s, const char *path)
{
	int status = local_tables_look(s, path);

	if (status != 0 && status != 69)
		session_say(s, "mtad could not be told; it looks once a second");
}

static int
build_one(struct session *s, const struct request *req)
{
	struct map_table t;
	int status = map_resolve(s, req, &t);
	struct span spec = span_str(t.spec);

	if (status == 0 && !table_type_compiled(span_head(spec, span_find(spec, ':')))) {
		session_say(s, "%s is no table that is built; mtactl map types lists those that are", t.spec);
		status = 65;
	} else if (status == 0 && (status = build(s, t.name, t.aliases)) == 0 && t.named) {
		look(s, t.name);
	}
	map_table_clear(&t);
	return status;
}

/* All that the configuration names and that have a text. */
static int
build_all(struct session *s)
{
	struct table_file *files;
	int status = 0;

	size_t n = table_files(local_conf(s), &files);
	for (size_t i = 0; i < n; i++) {
		if (files[i].text == NULL || files[i].by_default || table_build_state(files[i].text) == BUILD_NOTHING)
			continue;
		int one = build(s, files[i].text, files[i].aliases);
		status = one != 0 ? one : status;
	}
	table_files_free(files, n);
	if (n > 0)
		look(s, "");
	return status;
}

int
map_build_run(struct session *s, const struct request *req)
{
	struct span table;

	if (req->command == CMD_map_types)
		return types(s);
	return request_get(req, "table", &table) ? build_one(s, req) : build_all(s);
}
