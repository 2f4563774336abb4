/*
 * The words of selectors. Private to selector_parse.c and selector_words.c.
 */
#ifndef CTL_SELECTOR_WORDS_H
#define CTL_SELECTOR_WORDS_H

#include "ctl/selector_code.h"

struct parser {
	struct selector	*sel;
	struct span	 text;		/* all of it */
	size_t		 pos;
	unsigned	 depth;
	struct err	*err;
};

/* Always false; puts the place before the text. */
bool	parser_fail(struct parser *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All but parser_rest skip white space first. */
struct span parser_rest(const struct parser *);
bool	parser_at_end(struct parser *);
bool	parser_take_char(struct parser *, char);
/* Up to white space, a parenthesis, a comma or a quote. */
struct span parser_peek_word(struct parser *);
bool	parser_take_keyword(struct parser *, const char *word);
/* Letters, digits, "." "_" "-". */
struct span parser_peek_name(struct parser *);
bool	parser_take_operator(struct parser *, enum test_op *);
/* A word or a string in quotes. */
bool	parser_take_value(struct parser *, struct span *);
/* A count, a size or a duration. */
bool	parser_number(struct parser *, enum selector_type, struct span text, int64_t *);

#endif
