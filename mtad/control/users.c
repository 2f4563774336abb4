#include "control/users.h"

#include <unistd.h>

#include "ctl/rights.h"

void
users_init(struct users *u)
{
	*u = (struct users){ .owner = geteuid() };
	user_names_read(&u->names);
}

void
users_clear(struct users *u)
{
	user_names_clear(&u->names);
	user_list_clear(&u->view);
	user_list_clear(&u->flush);
	user_list_clear(&u->read);
	user_list_clear(&u->administer);
	*u = (struct users){ .owner = 0 };
}

void
users_configure(struct users *u, const struct view *v)
{
	const struct user_names *n = &u->names;

	user_list_make(&u->view, n, "authorized_mailq_users", conf_str(v, P_authorized_mailq_users));
	user_list_make(&u->flush, n, "authorized_flush_users", conf_str(v, P_authorized_flush_users));
	user_list_make(&u->read, n, "mtad_read_users", conf_str(v, P_mtad_read_users));
	user_list_make(&u->administer, n, "mtad_admin_users", conf_str(v, P_mtad_admin_users));
}

uint8_t
users_rights(const struct users *u, uid_t uid)
{
	unsigned rights = 0;

	if (uid == 0 || (u->owner != 0 && uid == u->owner) || user_list_has(&u->administer, uid))
		return CTL_ALL;
	if (user_list_has(&u->view, uid))
		rights |= CTL_VIEW;
	if (user_list_has(&u->flush, uid))
		rights |= CTL_FLUSH;
	if (user_list_has(&u->read, uid))
		rights |= CTL_READ;
	return (uint8_t)rights;
}

void
users_name(const struct users *u, uid_t uid, struct buf *out)
{
	user_names_text(&u->names, uid, out);
}
