#include "mtactl/instances.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INSTANCES_MAX	1000

static bool
fail_problems(const char *dir, const struct conf_problems *problems, struct err *err)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct conf_problem *p = &problems->items[i];
		if (p->level != PROBLEM_ERROR)
			continue;
		err_set(err, ERR_SYS, "%s:%u: %s", p->file != NULL ? p->file : dir, p->line, p->text);
		return false;
	}
	err_set(err, ERR_SYS, "%s: the configuration cannot be read", dir);
	return false;
}

static bool
add(struct instances *all, const char *dir, struct err *err)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(dir, NULL, 0, &problems);
	bool ok = conf != NULL || fail_problems(dir, &problems, err);

	conf_problems_clear(&problems);
	if (!ok)
		return false;
	const struct view *v = conf_main(conf);
	all->list = mem_grow(all->list, all->count + 1, sizeof *all->list);
	all->list[all->count++] = (struct instance){ .dir = mem_str(dir), .name = mem_str(conf_str(v, P_multi_instance_name)),
	    .group = mem_str(conf_str(v, P_multi_instance_group)), .enabled = conf_bool(v, P_multi_instance_enable), .conf = conf };
	return true;
}

static bool
is_named(const struct instances *all, const char *name)
{
	for (size_t i = 0; i + 1 < all->count; i++)
		if (*name != '\0' && strcmp(all->list[i].name, name) == 0)
			return true;
	return false;
}

bool
instances_read(const char *dir, struct instances *all, struct err *err)
{
	*all = (struct instances){ NULL, 0 };
	if (!add(all, dir, err))
		return false;
	struct span rest = span_str(conf_str(conf_main(all->list[0].conf), P_multi_instance_directories)), word;
	while (span_word(&rest, "\t\r\n ,", &word)) {
		char *each = span_dup(word);
		bool ok = add(all, each, err);
		free(each);
		if (!ok)
			return false;
		const struct instance *new = &all->list[all->count - 1];
		if (is_named(all, new->name)) {
			err_set(err, ERR_SYS, "%s: multi_instance_name = %s is another instance's name too", new->dir, new->name);
			return false;
		}
		if (all->count == INSTANCES_MAX) {
			err_set(err, ERR_SYS, "multi_instance_directories: more than %d", INSTANCES_MAX);
			return false;
		}
	}
	return true;
}

void
instances_clear(struct instances *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->list[i].dir);
		free(all->list[i].name);
		free(all->list[i].group);
		conf_unref(all->list[i].conf);
	}
	free(all->list);
	*all = (struct instances){ NULL, 0 };
}

const struct instance *
instances_find(const struct instances *all, const char *name)
{
	if (strcmp(name, "-") == 0)
		return all->count > 0 ? &all->list[0] : NULL;
	for (size_t i = 0; i < all->count; i++)
		if (*name != '\0' && (strcmp(all->list[i].name, name) == 0 || strcmp(all->list[i].dir, name) == 0))
			return &all->list[i];
	return NULL;
}

static void
put_names(const struct instances *all, struct buf *out)
{
	buf_str(out, "-");
	for (size_t i = 1; i < all->count; i++)
		buf_printf(out, " %s", *all->list[i].name != '\0' ? all->list[i].name : all->list[i].dir);
}

char *
instance_dir(const char *primary, const char *name, struct err *err)
{
	struct instances all;
	char *dir = NULL;

	if (instances_read(primary, &all, err)) {
		const struct instance *found = instances_find(&all, name);
		struct buf names = BUF_INIT(1000);
		put_names(&all, &names);
		if (found != NULL)
			dir = mem_str(found->dir);
		else
			err_set(err, ERR_SYS, "there is no instance \"%s\"; by multi_instance_directories of %s there are: %s", name, primary,
			    names.over ? "many" : names.ptr);
		buf_clear(&names);
	}
	instances_clear(&all);
	return dir;
}
