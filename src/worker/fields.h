/*
 * fields.h
 *		Taking the action of a task apart.
 */
#ifndef FIELDS_H
#define FIELDS_H

#include <stdbool.h>

extern char *fields_of_action(const char *action, bool deep);

#endif							/* FIELDS_H */
