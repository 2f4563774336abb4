/*
 * postqueue: the queue listed and flushed, with Postfix's output.
 */
#include <unistd.h>

#include "ctl/jsonl.h"
#include "mtactl/postfix.h"
#include "table/match_list.h"

#define USAGE	"usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"

/* postqueue's fatal errors have a status of their own. */
#define QUEUE_FATAL	69

/* -- -j: members and their places as Postfix writes them ------------------- */

static void
put_field(struct buf *out, struct span object, const char *key, const char *before, struct span instead)
{
	struct span value;

	if (!jsonl_find(object, key, &value))
		return;
	buf_printf(out, "%s\"%s\": ", before, key);
	buf_span(out, instead.len > 0 && span_eqs(value, "\"\"") ? instead : value);
}

static void
json_row(struct display *d, struct span row)
{
	struct span recipients = SPAN_NONE, one;
	struct jsonl_walk w;
	const char *before = "";

	put_field(&d->out, row, "queue_name", "{", SPAN_NONE);
	put_field(&d->out, row, "queue_id", ", ", SPAN_NONE);
	put_field(&d->out, row, "arrival_time", ", ", SPAN_NONE);
	put_field(&d->out, row, "message_size", ", ", SPAN_NONE);
	put_field(&d->out, row, "forced_expire", ", ", SPAN_NONE);
	put_field(&d->out, row, "sender", ", ", SPAN("\"MAILER-DAEMON\""));
	buf_str(&d->out, ", \"recipients\": [");
	jsonl_find(row, "recipients", &recipients);
	for (bool some = jsonl_walk_array(&w, recipients); some && jsonl_element(&w, &one); before = ", ") {
		buf_str(&d->out, before);
		put_field(&d->out, one, "address", "{", SPAN_NONE);
		put_field(&d->out, one, "delay_reason", ", ", SPAN_NONE);
		buf_char(&d->out, '}');
	}
	buf_str(&d->out, "]}\n");
}

static const struct presenter present_json = { NULL, json_row, NULL };

/* -- flush ------------------------------------------------------------------ */

/* Where nothing was there to flush, that is no failure. */
static int
flush(struct postfix *p, struct span selector, const char *what)
{
	const struct span words[] = { SPAN("flush"), selector };
	struct buf error = BUF_INIT(4096);
	int status = postfix_ask(p, words, selector.len > 0 ? 2 : 1, &error);

	if (status > 1) {
		if (error.len == 0)
			buf_str(&error, "mail system is down");
		postfix_fatal(p->name, "Cannot flush %s - %s", what, error.ptr);
	}
	buf_clear(&error);
	return status > 1 ? QUEUE_FATAL : 0;
}

static int
flush_id(struct postfix *p, const char *id)
{
	struct buf text = BUF_INIT(1024);
	int status = QUEUE_FATAL;

	/* Not the short form: an ID may be spelt like a word of the selectors. */
	if (postfix_is_queue_id(span_str(id))) {
		buf_printf(&text, "id = \"%s\"", id);
		status = flush(p, buf_view(&text), "queue ID");
	} else {
		postfix_fatal(p->name, "Cannot flush queue ID - invalid name: \"%s\"", id);
	}
	buf_clear(&text);
	return status;
}

static bool
is_site(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || span_has(SPAN("()\"',@=<>!~"), s.ptr[i]) || s.ptr[i] == 0x7f)
			return false;
	return s.len > 0 && s.len < 256;
}

/* As flush(8) has it; mtactl flush takes any. */
static bool
is_eligible(struct postfix *p, const char *site)
{
	struct err err = { ERR_NONE, "" };
	struct match_list *list;

	if (!session_configure(&p->session))
		return true;
	list = match_list_new(p->session.conf, "fast_flush_domains", conf_str(conf_main(p->session.conf), P_fast_flush_domains), MATCH_DOMAIN, &err);
	bool yes = list == NULL || match_list_name(list, NULL, span_str(site), &err) != MATCH_NO;
	match_list_free(list);
	return yes;
}

static int
flush_site(struct postfix *p, const char *site)
{
	struct buf text = BUF_INIT(1024);
	int status = QUEUE_FATAL;

	if (is_site(span_str(site)) && !is_eligible(p, site))
		postfix_fatal(p->name, "Flush service is not configured for destination \"%s\"", site);
	else if (is_site(span_str(site))) {
		buf_printf(&text, "@%s", site);
		status = flush(p, buf_view(&text), "mail queue");
	} else {
		postfix_fatal(p->name, "Cannot flush mail queue - invalid destination: \"%s\"", site);
	}
	buf_clear(&text);
	return status;
}

int
postqueue_main(struct postfix *p, int argc, char **argv)
{
	const char *value = NULL;
	int option, what = 0;

	while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		if (option == 'c') {
			p->session.conf_dir = optarg;
		} else if (option == '?' || (option != 'v' && what != 0)) {
			what = '?';
			break;
		} else if (option != 'v') {
			what = option;
			value = optarg;
		}
	}
	if (optind < argc)
		what = '?';
	switch (what) {
	case 'f':
		return flush(p, SPAN_NONE, "mail queue");
	case 'i':
		return flush_id(p, value);
	case 's':
		return flush_site(p, value);
	case 'j':
		return postfix_show(p, "queue ls", &present_json);
	case 'p':
		return postfix_show(p, "queue ls", &present_mailq);
	default:
		postfix_fatal(p->name, USAGE);
		return QUEUE_FATAL;
	}
}
