/* Encoders, decoders and the dispatch of every message, made from ipc.def. */
#include "base/ipc_table.h"

#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/pack.h"

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_MASTER] = "master", [ROLE_RECEIVE] = "receive", [ROLE_QUEUE] = "queue", [ROLE_SEND] = "send",
	[ROLE_LOCAL] = "local", [ROLE_LOOKUP] = "lookup", [ROLE_STATE] = "state", [ROLE_CONTROL] = "control",
};

const char *
role_name(enum role r)
{
	return r < ROLE_COUNT ? role_names[r] : "nobody";
}

bool
role_parse(struct span s, enum role *out)
{
	for (enum role r = 0; r < ROLE_COUNT; r++) {
		if (!span_eqs(s, role_names[r]))
			continue;
		*out = r;
		return true;
	}
	return false;
}

enum message {
#define IPC_BEGIN(name, from, to, flags)	M_##name,
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
	M_COUNT
};

static const struct ipc_type types[M_COUNT] = {
#define IPC_BEGIN(name, from, to, flags)	{ #name, from, to, flags },
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
};

unsigned
ipc_type_flags(uint16_t type)
{
	return type < M_COUNT ? types[type].flags : 0;
}

/* -- encoding ---------------------------------------------------------------------------- */

#define SIZE_u8(v)	1
#define SIZE_u16(v)	2
#define SIZE_u32(v)	4
#define SIZE_u64(v)	8
#define SIZE_i64(v)	8
#define SIZE_span(v)	(4 + (v).len)

static inline unsigned char *
put_u8(unsigned char *p, uint8_t v)
{
	*p = v;
	return p + 1;
}

static inline unsigned char *
put_u32(unsigned char *p, uint32_t v)
{
	num_put32(p, v);
	return p + 4;
}

static inline unsigned char *
put_u64(unsigned char *p, uint64_t v)
{
	num_put64(p, v);
	return p + 8;
}

static inline unsigned char *
put_i64(unsigned char *p, int64_t v)
{
	return put_u64(p, (uint64_t)v);
}

/* A length that does not fit makes a frame over its maximum, which ipc_frame_begin refuses before this. */
static inline unsigned char *
put_span(unsigned char *p, struct span s)
{
	num_put32(p, (uint32_t)s.len);
	if (s.len > 0)
		memcpy(p + 4, s.ptr, s.len);
	return p + 4 + s.len;
}

#define IPC_BEGIN(name, from, to, flags)		\
static size_t						\
size_##name(const struct ipc_##name *m)			\
{							\
	(void)m;					\
	return 0
#define IPC_FIELD(type, field)	+ SIZE_##type(m->field)
#define IPC_END(name)		; }
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

#define IPC_BEGIN(name, from, to, flags)						\
void											\
ipc_send_##name(struct ipc *c, const struct ipc_##name *m, int fd)			\
{											\
	size_t size = size_##name(m);							\
	unsigned char *p = (unsigned char *)						\
	    ipc_frame_begin(c, &types[M_##name], M_##name, size, fd);			\
	if (p == NULL)									\
		return;
#define IPC_FIELD(type, field)	p = put_##type(p, m->field);
#define IPC_END(name)									\
	(void)p;									\
	ipc_frame_end(c, size);								\
}
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

/* -- decoding ------------------------------------------------------------------------------ */

#define IPC_BEGIN(name, from, to, flags)						\
static bool										\
decode_##name(struct span body, struct ipc_##name *m)					\
{											\
	struct unpack u = { .left = body };
#define IPC_FIELD(type, field)	m->field = unpack_##type(&u);
#define IPC_END(name)									\
	return unpack_end(&u);								\
}
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

/* The descriptor is the handler's; where there is none, it ends here. */
#define IPC_BEGIN(name, from, to, flags)						\
static bool										\
call_##name(const struct ipc_handlers *h, void *arg, struct ipc *c, struct span body, int fd)	\
{											\
	struct ipc_##name m;								\
											\
	bool sound = decode_##name(body, &m);						\
	if (sound && h->name != NULL)							\
		h->name(arg, c, &m, fd);						\
	else if (fd >= 0)								\
		(void)close(fd);							\
	return sound;
#define IPC_FIELD(type, field)
#define IPC_END(name)	}
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

static bool (*const calls[M_COUNT])(const struct ipc_handlers *, void *, struct ipc *, struct span, int) = {
#define IPC_BEGIN(name, from, to, flags)	call_##name,
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
};

static bool
allowed(uint16_t type, enum role self, enum role peer, int fd)
{
	if (type >= M_COUNT)
		return false;
	const struct ipc_type *t = &types[type];
	if ((t->from & 1u << peer) == 0 || (t->to & 1u << self) == 0)
		return false;
	return t->flags & IPC_FD ? fd >= 0 : fd < 0 || (t->flags & IPC_FD_MAYBE) != 0;
}

bool
ipc_dispatch(const struct ipc_handlers *h, void *arg, struct ipc *c, enum role self, enum role peer,
    uint16_t type, struct span body, int fd)
{
	if (allowed(type, self, peer, fd))
		return calls[type](h, arg, c, body, fd);
	if (fd >= 0)
		(void)close(fd);
	return false;
}
