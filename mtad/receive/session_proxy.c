/*
 * Connections from a proxy (smtpd_upstream_proxy_protocol = haproxy): what it says of the client comes first, and until then there is no session.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/proxy.h"
#include "receive/screen.h"
#include "receive/session.h"
#include "receive/state.h"

struct proxied {
	struct proxied	*prev, *next;
	struct receive	*rx;
	struct settings	*settings;
	struct generation *generation;
	struct loop_io	 io;
	struct loop_timer timer;
	struct net_addr	 from;
	int		 fd;
	size_t		 len;
	char		 bytes[PROXY_HEADER_MAX];
};

static void
forget(struct proxied *p)
{
	loop_io_watch(&p->io, 0);
	loop_timer_stop(&p->timer);
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		p->rx->proxied = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	generation_unref(p->generation);
	free(p);
}

static void
give_up(struct proxied *p, const char *why)
{
	struct receive *rx = p->rx;
	struct settings *settings = p->settings;
	char addr[NET_ADDR_TEXT];

	if (why != NULL)
		log_warning(settings->screen != NULL ? "postscreen" : settings->program, "haproxy read: %s, from [%s]", why, net_addr_text(&p->from, addr));
	/* What was not read would make the closing a reset. */
	if (why != NULL && settings->screen != NULL && recv(p->fd, p->bytes, sizeof p->bytes, MSG_DONTWAIT) != 0)
		(void)send(p->fd, "421 4.3.2 No system resources\r\n", 31, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(p->fd);
	listeners_session_ended(rx, settings, true);
	forget(p);
	receive_maybe_done(rx);
}

static void
on_timer(void *arg)
{
	give_up(arg, "timeout error");
}

/* What the header says is the client; what follows it stays in the socket, for the session. */
static void
begin(struct proxied *p, const struct proxy_header *h)
{
	struct receive *rx = p->rx;
	struct settings *settings = p->settings;
	struct generation *generation = generation_ref(p->generation);
	struct net_addr client = h->own ? p->from : h->client, server = h->server;

	(void)net_addr_from(&client.sa, &client);	/* mapped: the same client as without */
	int fd = p->fd;
	bool own = h->own;

	forget(p);
	if (settings->screen != NULL)
		screen_client(rx, settings, fd, &client, own ? NULL : &server);
	else
		session_accept(rx, settings, fd, &client, own ? NULL : &server);
	generation_unref(generation);
}

/* Looked at before it is taken, so that not a byte more than the header is. */
static void
on_readable(void *arg, short what)
{
	struct proxied *p = arg;
	struct proxy_header h;
	const char *why;

	(void)what;
	ssize_t n = recv(p->fd, p->bytes + p->len, sizeof p->bytes - p->len, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(p, n < 0 || p->len > 0 ? "lost connection" : "EOF");
		return;
	}
	enum proxy_result r = proxy_parse(span_of(p->bytes, p->len + (size_t)n), &h, &why);
	size_t take = r == PROXY_DONE ? h.len - p->len : (size_t)n;
	if (r == PROXY_BAD) {
		give_up(p, why);
	} else if (recv(p->fd, p->bytes + p->len, take, 0) != (ssize_t)take) {
		give_up(p, "lost connection");
	} else {
		p->len += take;
		if (r == PROXY_DONE)
			begin(p, &h);
	}
}

void
session_proxied(struct receive *rx, struct settings *settings, int fd, const struct net_addr *from)
{
	struct proxied *p;

	MEM_NEW(p);
	*p = (struct proxied){ .next = rx->proxied, .rx = rx, .settings = settings, .generation = generation_ref(settings->generation),
	    .from = *from, .fd = fd };
	if (p->next != NULL)
		p->next->prev = p;
	rx->proxied = p;
	loop_io_init(&p->io, fd, on_readable, p);
	loop_timer_init(&p->timer, on_timer, p);
	loop_timer_set(&p->timer, settings->screen != NULL ? settings->screen->proxy_timeout : settings->proxy_timeout);
	loop_io_watch(&p->io, EV_READ);
}

void
sessions_proxied_stop(struct receive *rx)
{
	while (rx->proxied != NULL)
		give_up(rx->proxied, NULL);
}
