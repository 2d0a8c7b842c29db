/*
 * playbook/task_action.h
 *		The action of a task that a worker starts itself.
 */
#ifndef NOETL_PLAYBOOK_TASK_ACTION_H
#define NOETL_PLAYBOOK_TASK_ACTION_H

#include "jinja/jinja.h"

/*
 * Builds what queue.action would hold for a task that is written as a map of a
 * playbook: its templates are rendered, its input is put together as "data", its
 * type is in "type".  "input" is laid over the task's own input; the members of both
 * are names in the task's other strings, below "names", those of the item, which
 * the scope knows too.  False and *error when a template raises or the task has no
 * type.
 */
extern bool task_action(const JsonbValue *task, const TemplateScope *scope,
						const JsonbValue *names, const JsonbValue *input,
						JsonbValue *action, SourceError *error);

#endif							/* NOETL_PLAYBOOK_TASK_ACTION_H */
