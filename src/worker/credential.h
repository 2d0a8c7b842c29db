/*
 * credential.h
 *		Credentials of this machine: environment, files, a command.
 */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "outcome.h"

extern const char *credential_value(const char *name, StringBuf *variable, Outcome *out);
extern bool credential_is_variable(const char *variable);
extern bool credential_parse(Task *credential, const char *text);
extern void credential_free(Task *credential);

#endif							/* CREDENTIAL_H */
