#include "master/unix_connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/conf.h"

/* "unix:PATH" with nothing that goes on behind it. */
static bool
names_path(const char *value, struct span path)
{
	for (const char *at = value; at != NULL && (at = strstr(at, "unix:")) != NULL; at++) {
		struct span rest = span_str(at + 5);
		if (span_eq(span_head(rest, path.len), path) &&
		    (rest.len == path.len || strchr(" \t\r\n,}", rest.ptr[path.len]) != NULL))
			return true;
	}
	return false;
}

/* Restriction lists that the site named itself. */
static bool
in_classes(const struct view *view, struct span path)
{
	struct span rest = span_str(conf_str(view, P_smtpd_restriction_classes)), word;
	bool found = false;

	while (!found && span_word(&rest, "\t\r\n ,", &word)) {
		struct buf value = BUF_INIT(1 << 20);
		found = conf_raw(view, word) != NULL && conf_expanded(view, word, &value, NULL) && value.len > 0 && names_path(value.ptr, path);
		buf_clear(&value);
	}
	return found;
}

static bool
configured(const struct conf *conf, struct span path)
{
	for (size_t i = 0; i <= conf_service_count(conf); i++) {
		const struct view *view = i == 0 ? conf_main(conf) :
		    conf_view(conf, conf_service(conf, i - 1));
		/* This one may leave out "unix:". */
		if (span_eqs(path, conf_str(view, P_smtpd_sasl_path)))
			return true;
		for (int p = 0; p < PARAM_COUNT; p++)
			if (param_row((enum param)p)->type == PARAM_STR &&
			    names_path(conf_str(view, (enum param)p), path))
				return true;
		if (in_classes(view, path))
			return true;
	}
	return false;
}

/* No component is "..", so that a relative path stays below queue_directory. */
static bool
stays_below(struct span path)
{
	struct span part;

	while (span_cut(&path, '/', &part))
		if (span_eqs(part, ".."))
			return false;
	return true;
}

/*
 * The connection carries the master's uid, so a sender gone wrong must not get one to the control socket or to local submission: those are not in private/.
 */
static bool
may_connect(const struct conf *conf, struct span path)
{
	if (span_starts(path, "/"))
		return configured(conf, path);
	return stays_below(path) && (span_starts(path, "private/") || configured(conf, path));
}

static int
connect_path(const char *dir, struct span path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	bool absolute = span_starts(path, "/");
	int n = snprintf(un.sun_path, sizeof un.sun_path, "%s%s%.*s", absolute ? "" : dir,
	    absolute ? "" : "/", SPAN_ARG(path));

	if (n < 0 || (size_t)n >= sizeof un.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof un) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

bool
unix_connect_serve(const struct master *m, struct ipc *ipc, const struct ipc_unix_connect *msg)
{
	struct ipc_unix_connected answer = { .request = msg->request };
	bool allowed = msg->path.len > 0 && !span_has(msg->path, '\0') && may_connect(m->conf, msg->path);
	int fd = -1;

	if (!allowed)
		answer.error = SPAN("not below private in queue_directory, and not named in main.cf or master.cf");
	else if ((fd = connect_path(m->instance.dir, msg->path)) < 0)
		answer.error = span_str(strerror(errno));
	ipc_send_unix_connected(ipc, &answer, fd);
	if (fd >= 0)
		close(fd);
	return allowed;
}
