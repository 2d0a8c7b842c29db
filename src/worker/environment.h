/*
 * environment.h
 *		The environment of the worker, most of which this process hides from itself.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

extern void environment_hide(void);
extern char **environment_all(void);
extern const char *environment_value(const char *name);

#endif							/* ENVIRONMENT_H */
