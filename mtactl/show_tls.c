/* tls probe. */
#include <string.h>

#include "base/num.h"
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static bool
find_number(struct span row, const char *key, int64_t *n)
{
	struct span value;

	return jsonl_find(row, key, &value) && num_i64(value, n);
}

static bool
is_true(struct span row, const char *key)
{
	struct span value;

	return jsonl_find(row, key, &value) && span_eqs(value, "true");
}

/* "  LABEL VALUE\n" where there is a value. */
static void
line(struct display *d, struct span row, const char *key, const char *label)
{
	struct span value;

	if (!jsonl_find(row, key, &value))
		return;
	put(d, "  %-12s ", label);
	put_value(d, value);
	put(d, "\n");
}

static void
list(struct display *d, struct span row, const char *key, const char *label)
{
	struct jsonl_walk walk;
	struct span value, item;
	const char *between = "";

	if (!jsonl_find(row, key, &value) || !jsonl_walk_array(&walk, value))
		return;
	put(d, "  %-12s ", label);
	for (; jsonl_element(&walk, &item); between = ", ") {
		put(d, "%s", between);
		put_value(d, item);
	}
	put(d, "%s\n", between[0] == '\0' ? "none" : "");
}

static void
put_time(struct display *d, struct span row, const char *key, const char *label)
{
	struct buf text = BUF_INIT(64);
	int64_t when;

	if (find_number(row, key, &when)) {
		iso_text(&text, when);
		put(d, "%s%s", label, text.ptr);
	}
	buf_clear(&text);
}

static void
put_chain(struct display *d, struct span row)
{
	struct jsonl_walk walk;
	struct span value, one;
	int64_t until = 0;

	if (!jsonl_find(row, "chain", &value) || !jsonl_walk_array(&walk, value))
		return;
	for (unsigned n = 0; jsonl_element(&walk, &one); n++) {
		put(d, "certificate %u%s\n", n, n == 0 ? " (the server's own)" : "");
		line(d, one, "subject", "subject");
		line(d, one, "issuer", "issuer");
		put(d, "  %-12s ", "valid");
		put_time(d, one, "from", "");
		put_time(d, one, "until", " to ");
		if (find_number(one, "until", &until) && until < d->now) {
			put_color(d, COLOR_RED);
			put(d, "  expired");
			put_color(d, COLOR_NONE);
		}
		put(d, "\n");
		if (n == 0)
			list(d, one, "names", "names");
		line(d, one, "sha256", "sha256");
		line(d, one, "key_sha256", "key sha256");
	}
}

static void
put_records(struct display *d, struct span dane)
{
	struct jsonl_walk walk;
	struct span value, one, why;

	if (!jsonl_find(dane, "records", &value) || !jsonl_walk_array(&walk, value))
		return;
	while (jsonl_element(&walk, &one)) {
		put(d, "  TLSA         ");
		if (jsonl_find(one, "record", &value))
			put_value(d, value);
		if (jsonl_find(one, "why", &why)) {
			put(d, "  not used: ");
			put_value(d, why);
		} else if (jsonl_find(one, "fits", &value)) {
			put_color(d, span_eqs(value, "true") ? COLOR_GREEN : COLOR_RED);
			put(d, span_eqs(value, "true") ? "  fits" : "  does not fit");
			put_color(d, COLOR_NONE);
		}
		put(d, "\n");
	}
}

static void
put_dane(struct display *d, struct span row)
{
	struct span dane;

	if (!jsonl_find(row, "dane", &dane))
		return;
	put(d, "DANE\n");
	if (!is_true(dane, "checked")) {
		put(d, "  not looked at: DNS answers are not validated here (smtp_dns_support_level is not dnssec)\n");
		return;
	}
	if (jsonl_find(dane, "mx_secure", &(struct span){ NULL, 0 }))
		put(d, "  %-12s %s\n", "MX record", is_true(dane, "mx_secure") ? "signed" : "not signed");
	put(d, "  %-12s %s\n", "address", is_true(dane, "address_secure") ? "signed" : "not signed");
	line(d, dane, "base", "records of");
	line(d, dane, "why", "so");
	put_records(d, dane);
}

static void
put_verdict(struct display *d, struct span v)
{
	struct span value;
	bool delivered = is_true(v, "delivered");

	put_color(d, delivered ? COLOR_GREEN : COLOR_RED);
	put(d, delivered ? "delivers" : "defers");
	put_color(d, COLOR_NONE);
	if (is_true(v, "clear_text"))
		put(d, ", in clear text");
	if (jsonl_find(v, "tls", &value) && delivered) {
		put(d, ", ");
		put_value(d, value);
	}
	if (jsonl_find(v, "as", &value)) {
		put(d, ", as ");
		put_value(d, value);
	}
	if (jsonl_find(v, "name", &value)) {
		put(d, ", name ");
		put_value(d, value);
	}
	static const char *const why[] = { "reason", "note", "detail" };
	for (size_t i = 0; i < 3; i++) {
		if (!jsonl_find(v, why[i], &value))
			continue;
		put(d, i == 0 ? ": " : " (");
		put_value(d, value);
		put(d, i == 0 ? "" : ")");
	}
	put(d, "\n");
}

static void
put_levels(struct display *d, struct span row)
{
	struct jsonl_walk walk;
	struct span value, one;

	if (!jsonl_find(row, "levels", &value) || !jsonl_walk_array(&walk, value))
		return;
	put(d, "levels\n");
	while (jsonl_element(&walk, &one)) {
		put(d, "  ");
		if (jsonl_find(one, "level", &value))
			put_column(d, value, 12);
		put(d, " ");
		put_verdict(d, one);
	}
	put(d, "%s ", is_true(row, "from_configuration") ? "the configuration's level is" : "at the level");
	if (jsonl_find(row, "level", &value))
		put_value(d, value);
	put(d, ": ");
	put_verdict(d, row);
}

static void
probe_row(struct display *d, struct span row)
{
	struct span value;
	static const char *const parts[][2] = { { "", "host" }, { "[", "address" }, { "]:", "port" } };

	for (size_t i = 0; i < 3; i++) {
		put(d, "%s", parts[i][0]);
		if (jsonl_find(row, parts[i][1], &value))
			put_value(d, value);
	}
	put(d, "%s%s\n", is_true(row, "mx") ? ", by an MX record" : "", is_true(row, "wrapper") ? ", TLS from the first byte" : "");
	line(d, row, "server_name", "asked for");
	line(d, row, "summary", "TLS");
	line(d, row, "error", "trouble");
	put_chain(d, row);
	put_dane(d, row);
	list(d, row, "names_wanted", "names wanted");
	put_levels(d, row);
}

const struct presenter present_tls_probe = { NULL, probe_row, NULL };
