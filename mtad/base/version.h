/*
 * What every program of the project says of itself, and where it looks unless told otherwise.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define MTAD_VERSION	"0.1.0"
#define MTAD_CONFIG_DIR	"/etc/mtad"

#endif
