/* cidr:/path: "network value" a line, in order; "!network", "if network ... endif". */
#include <stdlib.h>

#include "base/mem.h"
#include "conf/lines.h"
#include "table/network.h"
#include "table/type.h"

#define NESTING_MAX	50

enum rule_kind { RULE_VALUE, RULE_IF };

struct rule {
	enum rule_kind	 kind;
	bool		 negated;
	struct network	 network;
	char		*value;
	size_t		 skip;		/* RULE_IF: the place behind its endif */
};

struct cidr {
	struct rule	*rules;
	size_t		 count;
	size_t		 open[NESTING_MAX];	/* the ifs that are not ended, while reading */
	size_t		 depth;
};

static void
cidr_close(void *state)
{
	struct cidr *c = state;

	for (size_t i = 0; i < c->count; i++)
		free(c->rules[i].value);
	free(c->rules);
	free(c);
}

static bool
end_if(struct cidr *c, struct err *err)
{
	if (c->depth == 0) {
		err_set(err, ERR_SYS, "an endif without its if");
		return false;
	}
	c->rules[c->open[--c->depth]].skip = c->count;
	return true;
}

static bool
add_line(struct cidr *c, struct span line, struct err *err)
{
	struct rule r = { .kind = RULE_VALUE };
	struct span rest = line, word;

	span_word(&rest, " \t", &word);
	if (span_caseeqs(word, "endif"))
		return end_if(c, err);
	if (span_caseeqs(word, "if")) {
		r.kind = RULE_IF;
		if (!span_word(&rest, " \t", &word)) {
			err_set(err, ERR_SYS, "an if without a network");
			return false;
		}
	}
	if (word.ptr[0] == '!') {
		r.negated = true;
		word = span_trim(span_skip(word, 1));
		if (word.len == 0)
			span_word(&rest, " \t", &word);
	}
	if (!network_parse(word, &r.network, err))
		return false;
	rest = span_trim(rest);
	if (r.kind == RULE_VALUE && rest.len == 0) {
		err_set(err, ERR_SYS, "expected a network, white space and a value");
		return false;
	}
	if (r.kind == RULE_IF) {
		if (c->depth == NESTING_MAX) {
			err_set(err, ERR_SYS, "ifs within ifs, more than %d", NESTING_MAX);
			return false;
		}
		c->open[c->depth++] = c->count;
	}
	r.value = span_dup(rest);
	c->rules = mem_grow(c->rules, c->count + 1, sizeof *c->rules);
	c->rules[c->count++] = r;
	return true;
}

static bool
cidr_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct conf_lines lines = { .next = 1, .text = BUF_INIT(1 << 20) };
	struct span line;
	struct cidr *c;
	unsigned number = 0;
	bool ok = true;

	if (!conf_file(conf, name, &lines.rest)) {
		err_set(err, ERR_SYS, "cidr: %.*s was not read with the configuration; give its whole path",
		    SPAN_ARG(span_head(name, 120)));
		return false;
	}
	MEM_NEW(c);
	while (ok && conf_lines_next(&lines, &line, &number))
		ok = add_line(c, line, err);
	buf_clear(&lines.text);
	if (ok && c->depth > 0) {
		err_set(err, ERR_SYS, "an if without its endif");
		ok = false;
	}
	if (!ok) {
		err_prefix(err, "%.*s:%u", SPAN_ARG(span_head(name, 120)), number);
		cidr_close(c);
		return false;
	}
	*state = c;
	return true;
}

static enum table_result
cidr_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct cidr *c = state;
	struct ip ip;

	(void)self;
	(void)facts;
	(void)err;
	if (!ip_parse(key, &ip))
		return TABLE_ABSENT;
	for (size_t i = 0; i < c->count; i++) {
		const struct rule *r = &c->rules[i];
		bool match = network_has(&r->network, &ip) != r->negated;
		if (r->kind == RULE_IF && !match)
			i = r->skip - 1;
		if (r->kind == RULE_VALUE && match) {
			buf_str(value, r->value);
			return TABLE_FOUND;
		}
	}
	return TABLE_ABSENT;
}

const struct table_type table_cidr = { "cidr", cidr_open, cidr_close, cidr_get };
