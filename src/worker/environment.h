/*
 * environment.h
 *		The environment of the worker, most of which this process hides from itself.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "strbuf.h"

extern void environment_hide(void);
extern char **environment_all(void);
extern const char *environment_value(const char *name);
extern bool environment_shows(const char *name);
extern void environment_names(StringBuf *json);

#endif							/* ENVIRONMENT_H */
