#ifndef MASTER_VERSION_H
#define MASTER_VERSION_H

#include "base/version.h"

#endif
