/*
 * broker/event_type.c
 *		The vocabulary of the event log: types, their aliases, status words.
 */
#include "common/common.h"

#include "broker/event_type.h"

typedef struct EventTypeWord
{
	const char *name;
	EventType	type;
	const char *status;			/* when the client gives none */
} EventTypeWord;

/* The first name of a type is the one the broker writes. */
static const EventTypeWord type_names[] = {
	{"action_completed", EVENT_ACTION_COMPLETED, "COMPLETED"},
	{"action_started", EVENT_ACTION_STARTED, "STARTED"},
	{"step_started", EVENT_STEP_STARTED, "RUNNING"},
	{"step_completed", EVENT_STEP_COMPLETED, "COMPLETED"},
	{"execution_start", EVENT_EXECUTION_START, "STARTED"},
	{"execution_complete", EVENT_EXECUTION_COMPLETE, "COMPLETED"},
	{"action_error", EVENT_ACTION_ERROR, "FAILED"},
	{"action_retry", EVENT_ACTION_RETRY, "PENDING"},
	{"step_failed", EVENT_STEP_FAILED, "FAILED"},
	{"step_skipped", EVENT_STEP_SKIPPED, "COMPLETED"},
	{"step_result", EVENT_STEP_RESULT, "COMPLETED"},
	{"execution_failed", EVENT_EXECUTION_FAILED, "FAILED"},
	{"execution_cancelled", EVENT_EXECUTION_CANCELLED, "CANCELLED"},
	{"execution_adopted", EVENT_EXECUTION_ADOPTED, "RUNNING"},
	/* aliases */
	{"task_start", EVENT_ACTION_STARTED, "STARTED"},
	{"task_complete", EVENT_ACTION_COMPLETED, "COMPLETED"},
	{"task_completed", EVENT_ACTION_COMPLETED, "COMPLETED"},
	{"task_end", EVENT_ACTION_COMPLETED, "COMPLETED"},
	{"action_failed", EVENT_ACTION_ERROR, "FAILED"},
	{"task_error", EVENT_ACTION_ERROR, "FAILED"},
	{"result", EVENT_STEP_RESULT, "COMPLETED"},
	{"step_retry", EVENT_ACTION_RETRY, "PENDING"},
	{"execution_started", EVENT_EXECUTION_START, "STARTED"},
	{"playbook_started", EVENT_EXECUTION_START, "STARTED"},
	{"execution_completed", EVENT_EXECUTION_COMPLETE, "COMPLETED"},
	{"execution_end", EVENT_EXECUTION_COMPLETE, "COMPLETED"},
	{"workflow_failed", EVENT_EXECUTION_FAILED, "FAILED"},
	/* recorded */
	{"save_started", EVENT_SAVE, "STARTED"},
	{"save_completed", EVENT_SAVE_COMPLETED, "COMPLETED"},
	{"save_failed", EVENT_SAVE_FAILED, "FAILED"},
	{"iterator_started", EVENT_ITERATOR_STARTED, "STARTED"},
	{"iteration_started", EVENT_ITERATION_STARTED, "STARTED"},
	{"loop_iteration", EVENT_ITERATION_STARTED, "STARTED"},
	{"iteration_completed", EVENT_ITERATION_COMPLETED, "COMPLETED"},
	{"iteration_failed", EVENT_ITERATION_FAILED, "FAILED"},
	{"iterator_completed", EVENT_ITERATOR_COMPLETED, "COMPLETED"},
	{"end_loop", EVENT_ITERATOR_COMPLETED, "COMPLETED"},
	{"loop_completed", EVENT_ITERATOR_COMPLETED, "COMPLETED"},
};

static const struct
{
	const char *word;
	const char *status;
}			status_words[] = {
	{"completed", "COMPLETED"},
	{"complete", "COMPLETED"},
	{"success", "COMPLETED"},
	{"succeeded", "COMPLETED"},
	{"done", "COMPLETED"},
	{"failed", "FAILED"},
	{"error", "FAILED"},
	{"failure", "FAILED"},
	{"started", "STARTED"},
	{"start", "STARTED"},
	{"begin", "STARTED"},
	{"initiated", "STARTED"},
	{"running", "RUNNING"},
	{"run", "RUNNING"},
	{"in_progress", "RUNNING"},
	{"progress", "RUNNING"},
	{"pending", "PENDING"},
	{"created", "PENDING"},
	{"queued", "PENDING"},
	{"init", "PENDING"},
	{"new", "PENDING"},
	{"waiting", "PENDING"},
	{"paused", "PAUSED"},
	{"pause", "PAUSED"},
	{"suspended", "PAUSED"},
	{"cancelled", "CANCELLED"},
	{"canceled", "CANCELLED"},
};

/* step_end closes a step either way; its status says which. */
EventType
event_type_of(const char *name, const char *status)
{
	for (int i = 0; i < lengthof(type_names); i++)
		if (strcmp(type_names[i].name, name) == 0)
			return type_names[i].type;
	if (strcmp(name, "step_end") == 0)
		return status != NULL && strcmp(status, "FAILED") == 0 ?
			EVENT_STEP_FAILED : EVENT_STEP_COMPLETED;
	return EVENT_OTHER;
}

/* The canonical spelling, for events the broker writes. */
const char *
event_type_name(EventType type)
{
	for (int i = 0; i < lengthof(type_names); i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	elog(ERROR, "event type %d has no name", (int) type);
	return NULL;
}

/* Clients spell status in many ways; the log has seven words. */
const char *
status_normalise(const char *status, const char *event_type, bool *known)
{
	*known = true;
	if (status == NULL || status[strspn(status, " \t\r\n")] == '\0')
	{
		for (int i = 0; i < lengthof(type_names); i++)
			if (strcmp(type_names[i].name, event_type) == 0)
				return type_names[i].status;
		return strcmp(event_type, "step_end") == 0 ? "COMPLETED" : "PENDING";
	}
	for (int i = 0; i < lengthof(status_words); i++)
		if (pg_strcasecmp(status, status_words[i].word) == 0)
			return status_words[i].status;
	*known = false;
	return "PENDING";
}

/* Types whose result, when they have one, is their step's value. */
bool
event_type_sets_value(EventType type)
{
	return type == EVENT_ACTION_COMPLETED || type == EVENT_STEP_RESULT ||
		type == EVENT_STEP_COMPLETED || type == EVENT_STEP_SKIPPED ||
		type == EVENT_STEP_FAILED || type == EVENT_ITERATOR_COMPLETED;
}

/* Execution-level events of which there is exactly one. */
bool
event_type_is_terminal(EventType type)
{
	return type == EVENT_EXECUTION_COMPLETE || type == EVENT_EXECUTION_FAILED ||
		type == EVENT_EXECUTION_CANCELLED;
}
