#include "ctl/rights.h"

#include "base/err.h"

const char *
rights_name(enum ctl_rights one)
{
	switch (one) {
	case CTL_VIEW:
		return "view";
	case CTL_READ:
		return "read";
	case CTL_FLUSH:
		return "flush";
	case CTL_ADMINISTER:
		return "administer";
	case CTL_ALL:
		break;
	}
	panic("rights_name: %d is not one right", (int)one);
}
