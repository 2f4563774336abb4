/*
 * postsuper: hold, release, requeue, delete, expire. What is deleted goes to the trash, which Postfix does not have; what expires goes back to its sender at
 * once, not with the next attempt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/jsonl.h"
#include "mtactl/postfix.h"

#define USAGE	"usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] " \
	"[-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] " \
	"[-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]"
#define BATCH		1000	/* IDs in a request, and their bytes: below a selector's bounds */
#define BATCH_BYTES	24000

/* In the order in which their counts are told. */
static const struct action {
	int		 option;
	const char	*command, *done, *count;
} actions[] = {
	{ 'r', "requeue", "requeued", "Requeued" },
	{ 'd', "delete", "removed", "Deleted" },
	{ 'e', "bounce", "expired", "Force-expired" },
	{ 'h', "hold", "placed on hold", "Placed on hold" },
	{ 'H', "release", "released from hold", "Released from hold" },
};
#define ACTIONS	(sizeof actions / sizeof actions[0])

struct postsuper {
	struct postfix	*postfix;
	const struct action *action;	/* of the request under way */
	bool		 all;		/* which names no message */
	bool		 held_too;	/* -f: what is on hold expires as well */
	bool		 held;		/* that is under way */
	char		*const *queues;
	size_t		 queue_count;
	uint64_t	 counts[ACTIONS];
};

static const struct action *
find_action(int option)
{
	for (size_t i = 0; i < ACTIONS; i++)
		if (actions[i].option == option)
			return &actions[i];
	return NULL;
}

static void
on_row(struct postfix *p, struct span row)
{
	struct postsuper *s = p->arg;
	struct buf id = BUF_INIT(256);
	struct span raw, result = SPAN_NONE;

	if (!jsonl_find(row, "result", &result))
		return;
	if (!span_eqs(result, "\"skipped\"")) {
		s->counts[s->action - actions]++;
		if (!s->all && jsonl_find(row, "queue_id", &raw) && jsonl_text(raw, &id))
			fprintf(stderr, "%s: %s: %s\n", p->name, id.ptr, s->action->done);
		if (s->held)
			s->counts[find_action('H') - actions]++;
	}
	buf_clear(&id);
}

static int
say_failure(const struct postsuper *s, int status, struct span error)
{
	const char *name = s->postfix->name;

	if (status == 77)
		return postfix_fatal(name, "use of this command is reserved for the superuser");
	if (error.len > 0)
		return postfix_fatal(name, "%.*s", SPAN_ARG(error));
	postfix_fatal(name, "the mail system is down; mtad changes its queue itself, start it first");
	return POSTFIX_DOWN;
}

/* Which messages beside those that are named: in the queues of the command line; -e leaves alone what is on hold. */
static void
put_conditions(const struct postsuper *s, struct buf *out)
{
	const char *and = out->len > 0 ? " and " : "";

	for (size_t i = 0; i < s->queue_count; i++)
		buf_printf(out, "%s%s%s", i == 0 ? and : ", ", i == 0 ? "state in (" : "", s->queues[i]);
	if (s->queue_count > 0)
		buf_char(out, ')');
	if (s->action->option == 'e')
		buf_printf(out, "%sstate %s hold", out->len > 0 ? " and " : "", s->held ? "=" : "!=");
}

static int
act(struct postsuper *s, struct span selector)
{
	const struct span words[] = { span_str(s->action->command), selector };
	struct buf error = BUF_INIT(4096);
	int status = postfix_ask(s->postfix, words, 2, &error);

	if (status > 1)
		status = say_failure(s, status, buf_view(&error));
	else
		status = 0;
	buf_clear(&error);
	return status;
}

/* Of the messages that `which` names (empty: all); -f takes those on hold first. */
static int
act_on_selected(struct postsuper *s, struct span which)
{
	struct buf selector = BUF_INIT(32768);
	int status = 0;

	for (int held = s->held_too; held >= 0 && status == 0; held--) {
		s->held = held == 1;
		buf_reset(&selector);
		buf_span(&selector, which);
		put_conditions(s, &selector);
		if (selector.len == 0)
			buf_char(&selector, '*');
		status = act(s, buf_view(&selector));
	}
	s->held = false;
	buf_clear(&selector);
	return status;
}

static int
act_on_all(struct postsuper *s)
{
	s->all = true;
	return act_on_selected(s, SPAN_NONE);
}

static int
act_on_ids(struct postsuper *s, struct buf *ids)
{
	struct buf which = BUF_INIT(32768);
	int status = 0;

	if (ids->len > 0) {
		buf_printf(&which, "id in (%s)", ids->ptr);
		s->all = false;
		status = act_on_selected(s, buf_view(&which));
	}
	buf_reset(ids);
	buf_clear(&which);
	return status;
}

static bool
add_id(struct postsuper *s, struct buf *ids, struct span id)
{
	if (!postfix_is_queue_id(id)) {
		postfix_warn(s->postfix->name, "invalid mail queue id: %.*s", SPAN_ARG(id));
		return false;
	}
	/* In quotes: an ID may be spelt like a word of the selectors. */
	buf_printf(ids, "%s\"%.*s\"", ids->len > 0 ? ", " : "", SPAN_ARG(id));
	return true;
}

static int
act_on_stdin(struct postsuper *s)
{
	struct buf ids = BUF_INIT(30000);
	char *line = NULL;
	size_t size = 0, count = 0;
	ssize_t n;
	int status = 0;

	while (status == 0 && (n = getline(&line, &size, stdin)) >= 0) {
		struct span id = span_of(line, (size_t)n);
		if (span_ends(id, "\n"))
			id.len--;
		bool valid = postfix_is_queue_id(id);
		/* A warning comes behind what was done of the lines before. */
		if (!valid || ++count % BATCH == 0 || ids.len > BATCH_BYTES)
			status = act_on_ids(s, &ids);
		add_id(s, &ids, id);
	}
	if (status == 0)
		status = act_on_ids(s, &ids);
	free(line);
	buf_clear(&ids);
	return status;
}

static int
act_on(struct postsuper *s, const char *what)
{
	struct buf ids = BUF_INIT(1024);
	int status = 0;

	if (strcmp(what, "ALL") == 0)
		status = act_on_all(s);
	else if (strcmp(what, "-") == 0)
		status = act_on_stdin(s);
	else if (add_id(s, &ids, span_str(what)))
		status = act_on_ids(s, &ids);
	buf_clear(&ids);
	return status;
}

/* Looks at all options before any of them is done; false with the status to end with. */
static bool
check_options(struct postsuper *s, int argc, char **argv, int *status)
{
	static const char *const known[] = { "maildrop", "incoming", "active", "deferred", "hold" };
	int option;

	while ((option = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1) {
		if (option == 'c')
			s->postfix->session.conf_dir = optarg;
		else if (option == '?')
			*status = postfix_fatal(s->postfix->name, USAGE);
		if (*status != 0)
			return false;
	}
	s->queues = argv + optind;
	s->queue_count = (size_t)(argc - optind);
	for (size_t i = 0; i < s->queue_count; i++) {
		bool found = false;
		for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
			found = found || strcmp(s->queues[i], known[k]) == 0;
		if (!found)
			*status = postfix_fatal(s->postfix->name, "invalid directory name: %s", s->queues[i]);
		else if (strcmp(s->queues[i], "maildrop") == 0)
			*status = postfix_not_yet(s->postfix->name, "acting on the maildrop queue");
		if (*status != 0)
			return false;
	}
	return true;
}

static void
tell_counts(const struct postsuper *s, const bool *asked)
{
	for (size_t i = 0; i < ACTIONS; i++)
		if (asked[i])
			fprintf(stderr, "%s: %s: %llu message%s\n", s->postfix->name, actions[i].count, (unsigned long long)s->counts[i],
			    s->counts[i] == 1 ? "" : "s");
}

int
postsuper_main(struct postfix *p, int argc, char **argv)
{
	struct postsuper s = { .postfix = p };
	bool asked[ACTIONS] = { false };
	int option, status = 0;

	if (!check_options(&s, argc, argv, &status))
		return status;
	p->row = on_row;
	p->arg = &s;
	optind = 0;
	/* What -s, -S and -p mend in Postfix's queue cannot be wrong in mtad's: there is nothing to do. */
	while (status == 0 && (option = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1) {
		s.held_too = option == 'f';
		if ((s.action = find_action(s.held_too ? 'e' : option)) == NULL)
			continue;
		asked[s.action - actions] = true;
		if (s.held_too)
			asked[find_action('H') - actions] = true;
		status = act_on(&s, optarg);
	}
	if (status == 0)
		tell_counts(&s, asked);
	p->arg = NULL;
	return status;
}
