#include "ctl/client_row.h"

struct field { const char *key; struct span value; };

static void
put(struct jsonl *j, const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].value.len > 0)
			jsonl_str(j, fields[i].key, fields[i].value);
}

void
client_row(struct jsonl *j, const struct envelope *e)
{
	const struct field known[] = {
		{ "client_name", e->client_name }, { "client_addr", e->client_addr }, { "client_port", e->client_port }, { "helo", e->helo },
		{ "protocol", e->protocol }, { "sasl_method", e->sasl_method }, { "sasl_user", e->sasl_user }, { "sasl_sender", e->sasl_sender },
	};
	struct envelope_client c;

	put(j, known, sizeof known / sizeof *known);
	if (e->forward.len == 0)
		return;
	envelope_client(e, &c);
	const struct field forwarded[] = {
		{ "orig_client_name", c.name }, { "orig_client_addr", c.addr }, { "orig_client_port", c.port }, { "orig_helo", c.helo },
		{ "orig_protocol", c.protocol }, { "orig_queue_id", c.ident },
	};
	put(j, forwarded, sizeof forwarded / sizeof *forwarded);
}
