/*
 * credential.h
 *		Credentials of this machine: NOETL_AUTH_<NAME> in the environment.
 */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "task.h"

extern const char *credential_value(const char *name, StringBuf *variable);
extern bool credential_is_variable(const char *variable);
extern bool credential_parse(Task *credential, const char *text);
extern void credential_free(Task *credential);

#endif							/* CREDENTIAL_H */
