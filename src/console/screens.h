/*
 * screens.h
 *		The pages, each answered by a function (route.c says which).
 */
#ifndef CONSOLE_SCREENS_H
#define CONSOLE_SCREENS_H

#include "http.h"

extern void login_page(Request *request, Reply *reply);
extern void login_post(Request *request, Reply *reply);
extern void logout_post(Request *request, Reply *reply);

extern void overview_page(Request *request, Reply *reply);

extern void executions_page(Request *request, Reply *reply);
extern void bulk_page(Request *request, Reply *reply);
extern void bulk_post(Request *request, Reply *reply);

/* The rest of the path after "/execution/" is in request->path + 11. */
extern void execution_page(Request *request, Reply *reply);
extern void execution_post(Request *request, Reply *reply);

extern void approvals_page(Request *request, Reply *reply);
extern void approvals_post(Request *request, Reply *reply);

extern void playbooks_page(Request *request, Reply *reply);
extern void playbook_page(Request *request, Reply *reply);
extern void editor_page(Request *request, Reply *reply);
extern void editor_post(Request *request, Reply *reply);
extern void lint_post(Request *request, Reply *reply);
extern void start_post(Request *request, Reply *reply);

extern void schedules_page(Request *request, Reply *reply);
extern void schedules_post(Request *request, Reply *reply);

#endif							/* CONSOLE_SCREENS_H */
