#include "table/remote.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/mem.h"

struct remote {
	const struct remote_type *type;
	void		*state;		/* NULL: another process asks */
};

bool
remote_open(const struct remote_type *type, const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct remote *r;
	void *own = NULL;

	if (table_env()->blocks && !type->open(conf, name, &own, err))
		return false;
	MEM_NEW(r);
	r->type = type;
	r->state = own;
	*state = r;
	return true;
}

void
remote_close(void *state)
{
	struct remote *r = state;

	if (r->state != NULL)
		r->type->close(r->state);
	free(r);
}

static enum table_result
as_fact(struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	struct span answer;

	switch (facts_get(facts, FACT_PURE, self, key, &answer)) {
	case FACT_KNOWN:
		buf_span(value, answer);
		return TABLE_FOUND;
	case FACT_ABSENT:
		return TABLE_ABSENT;
	case FACT_PENDING:
		return TABLE_PENDING;
	case FACT_FAILED:
		break;
	}
	/* The lookup role's answer names the table itself. */
	err_set(err, ERR_TEMP, "%.*s: %.*s", SPAN_ARG(span_head(self, 80)), SPAN_ARG(span_head(answer, 150)));
	return TABLE_FAILED;
}

enum table_result
remote_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct remote *r = state;

	if (key.len == 0 || span_has(key, '\0'))
		return TABLE_ABSENT;
	if (r->state == NULL)
		return as_fact(self, facts, key, value, err);
	size_t start = value->len;
	enum table_result result = r->type->ask(r->state, key, value, err);
	if (result != TABLE_FOUND)
		buf_cut(value, start);
	return result;
}

/* -- libraries ------------------------------------------------------------------------------------------ */

void *
remote_library(const char *name, const char *package, struct err *err)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		err_set(err, ERR_SYS, "%s cannot be loaded; install the package %s (%s)", name, package, dlerror());
	return library;
}

bool
remote_symbols(void *library, const char *const *names, void **pointers, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if ((pointers[i] = dlsym(library, names[i])) == NULL) {
			err_set(err, ERR_SYS, "the library has no %s", names[i]);
			return false;
		}
	return true;
}
