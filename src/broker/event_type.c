/*
 * broker/event_type.c
 *		The vocabulary of the event log: event types, their aliases, status words.
 */
#include "common/common.h"

#include "broker/event_type.h"

#define MAX_NAMES	4

/* What the result of an event is to its step. */
typedef enum EventValue
{
	VALUE_NONE,
	VALUE_IF_RESULT,			/* its value, if there is a result */
	VALUE_OR_NULL				/* its value; null when there is no result */
} EventValue;

typedef struct EventTypeInfo
{
	const char *names[MAX_NAMES];	/* the broker writes the first; then aliases */
	const char *shared_name;	/* another alias, of two types: the one whose
								 * default status is FAILED has it when the status
								 * of the event is FAILED */
	const char *status;			/* when the sender gives none */
	int			senders;		/* set of EventSender */
	bool		about_run;
	EventValue	value;
	bool		terminal;
	bool		has_effect;
} EventTypeInfo;

#define CLIENT	SENT_BY_CLIENT
#define WORKER	SENT_BY_WORKER
#define BROKER	SENT_BY_BROKER

static const EventTypeInfo event_types[] = {
	[EVENT_OTHER] = {
		.status = "PENDING", .senders = CLIENT | WORKER
	},
	[EVENT_ACTION_COMPLETED] = {
		{"action_completed", "task_complete", "task_completed", "task_end"},
		.status = "COMPLETED", .senders = WORKER | BROKER,
		.about_run = true, .value = VALUE_OR_NULL, .has_effect = true
	},
	[EVENT_ACTION_STARTED] = {
		{"action_started", "task_start"},
		.status = "STARTED", .senders = WORKER | BROKER,
		.about_run = true, .has_effect = true
	},
	[EVENT_ACTION_ERROR] = {
		{"action_error", "action_failed", "task_error"},
		.status = "FAILED", .senders = WORKER | BROKER,
		.about_run = true, .has_effect = true
	},
	[EVENT_ACTION_RETRY] = {
		/* a worker's are about items that it goes through itself */
		{"action_retry", "step_retry"},
		.status = "PENDING", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_STEP_STARTED] = {
		{"step_started"},
		.status = "RUNNING", .senders = BROKER,
		.about_run = true
	},
	[EVENT_STEP_COMPLETED] = {
		{"step_completed"}, .shared_name = "step_end",
		.status = "COMPLETED", .senders = CLIENT | BROKER,
		.about_run = true, .value = VALUE_OR_NULL, .has_effect = true
	},
	[EVENT_STEP_FAILED] = {
		{"step_failed"}, .shared_name = "step_end",
		.status = "FAILED", .senders = CLIENT | BROKER,
		.about_run = true, .value = VALUE_IF_RESULT, .has_effect = true
	},
	[EVENT_STEP_SKIPPED] = {
		{"step_skipped"},
		.status = "COMPLETED", .senders = CLIENT | BROKER,
		.about_run = true, .value = VALUE_OR_NULL, .has_effect = true
	},
	[EVENT_STEP_RESULT] = {
		{"step_result", "result"},
		.status = "COMPLETED", .senders = WORKER,
		.about_run = true, .value = VALUE_OR_NULL, .has_effect = true
	},
	[EVENT_STEP_HELD] = {
		{"step_held"},
		.status = "PAUSED", .senders = BROKER,
		.about_run = true
	},
	[EVENT_STEP_RESUMED] = {
		{"step_resumed"},
		.status = "RUNNING", .senders = BROKER,
		.about_run = true, .has_effect = true
	},
	[EVENT_EXECUTION_START] = {
		{"execution_start", "execution_started", "playbook_started"},
		.status = "STARTED", .senders = CLIENT | BROKER
	},
	[EVENT_EXECUTION_COMPLETE] = {
		{"execution_complete", "execution_completed", "execution_end"},
		.status = "COMPLETED", .senders = CLIENT | BROKER,
		.terminal = true, .has_effect = true
	},
	[EVENT_EXECUTION_FAILED] = {
		{"execution_failed", "workflow_failed"},
		.status = "FAILED", .senders = CLIENT | BROKER,
		.terminal = true, .has_effect = true
	},
	[EVENT_EXECUTION_CANCELLED] = {
		{"execution_cancelled"},
		.status = "CANCELLED", .senders = CLIENT | BROKER,
		.terminal = true, .has_effect = true
	},
	[EVENT_EXECUTION_ADOPTED] = {
		{"execution_adopted"},
		.status = "RUNNING", .senders = BROKER
	},
	[EVENT_EXECUTION_FORKED] = {
		{"execution_forked"},
		.status = "RUNNING", .senders = BROKER
	},
	[EVENT_EXECUTION_UNDO] = {
		{"execution_undo"},
		.status = "RUNNING", .senders = BROKER,
		.has_effect = true
	},
	[EVENT_EXECUTION_COMPENSATING] = {
		{"execution_compensating"},
		.status = "RUNNING", .senders = BROKER
	},
	[EVENT_EXECUTION_MIGRATED] = {
		{"execution_migrated"},
		.status = "RUNNING", .senders = BROKER,
		.has_effect = true
	},
	[EVENT_STEP_CARRIED] = {
		{"step_carried"},
		.status = "COMPLETED", .senders = BROKER,
		.about_run = true, .value = VALUE_OR_NULL
	},
	[EVENT_EXECUTION_REDRIVEN] = {
		{"execution_redriven"},
		.status = "RUNNING", .senders = BROKER
	},
	[EVENT_EXECUTION_RESCHEDULED] = {
		{"execution_rescheduled"},
		.status = "PENDING", .senders = BROKER
	},
	[EVENT_EXECUTION_PAUSED] = {
		{"execution_paused"},
		.status = "PAUSED", .senders = BROKER
	},
	[EVENT_EXECUTION_RESUMED] = {
		{"execution_resumed"},
		.status = "RUNNING", .senders = BROKER
	},
	[EVENT_EXECUTION_DUE] = {
		{"execution_due"},
		.status = "RUNNING", .senders = BROKER
	},
	[EVENT_ITERATOR_STARTED] = {
		{"iterator_started"},
		.status = "STARTED", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_ITERATION_STARTED] = {
		{"iteration_started", "loop_iteration"},
		.status = "STARTED", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_ITERATION_COMPLETED] = {
		{"iteration_completed"},
		.status = "COMPLETED", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_ITERATION_FAILED] = {
		{"iteration_failed"},
		.status = "FAILED", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_ITERATOR_COMPLETED] = {
		{"iterator_completed", "end_loop", "loop_completed"},
		.status = "COMPLETED", .senders = WORKER | BROKER,
		.about_run = true, .value = VALUE_OR_NULL, .has_effect = true
	},
	[EVENT_CHILD_SPAWNED] = {
		/* an iteration_started; event_parse() tells them apart */
		.status = "STARTED", .senders = WORKER,
		.about_run = true, .has_effect = true
	},
	[EVENT_SAVE] = {
		{"save_started"},
		.status = "STARTED", .senders = WORKER,
		.about_run = true
	},
	[EVENT_SAVE_COMPLETED] = {
		{"save_completed"},
		.status = "COMPLETED", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_SAVE_FAILED] = {
		{"save_failed"},
		.status = "FAILED", .senders = WORKER | BROKER,
		.about_run = true
	},
	[EVENT_SIGNAL] = {
		{"signal_received"},
		.status = "COMPLETED", .senders = CLIENT | BROKER,
		.has_effect = true
	},
	[EVENT_PROGRESS] = {
		{"progress"},
		.status = "RUNNING", .senders = WORKER,
		.about_run = true
	},
	[EVENT_LOG] = {
		{"log"},
		.status = "RUNNING", .senders = WORKER,
		.about_run = true
	},
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

/* Returns whether a type has a name, which is not the first of its names. */
static bool
has_alias(const EventTypeInfo *info, const char *name, const char *status)
{
	bool		failed = status != NULL && strcmp(status, "FAILED") == 0;

	for (int i = 1; i < MAX_NAMES && info->names[i] != NULL; i++)
		if (strcmp(info->names[i], name) == 0)
			return true;
	return info->shared_name != NULL && strcmp(info->shared_name, name) == 0 &&
		failed == (strcmp(info->status, "FAILED") == 0);
}

/*
 * Returns the type that a name means; EVENT_OTHER: the name is unknown.  Names
 * that the broker writes are looked for first, as most events have one.
 */
EventType
event_type_of(const char *name, const char *status)
{
	for (int i = 0; i < lengthof(event_types); i++)
		if (event_types[i].names[0] != NULL && strcmp(event_types[i].names[0], name) == 0)
			return (EventType) i;
	for (int i = 0; i < lengthof(event_types); i++)
		if (has_alias(&event_types[i], name, status))
			return (EventType) i;
	return EVENT_OTHER;
}

/* Returns the name that the broker itself writes; raises for a type without one. */
const char *
event_type_name(EventType type)
{
	if (event_types[type].names[0] == NULL)
		elog(ERROR, "event type %d has no name", (int) type);
	return event_types[type].names[0];
}

/* Returns the status of an event whose sender gives none. */
const char *
event_type_status(EventType type)
{
	return event_types[type].status;
}

/*
 * Returns the status word of the log that a client meant.  Clients spell a
 * status in many ways; the log has seven words.
 */
const char *
status_normalise(const char *status, const char *event_type, bool *known)
{
	size_t		length;

	*known = true;
	if (status == NULL || status[strspn(status, " \t\r\n")] == '\0')
		return event_type_status(event_type_of(event_type, NULL));
	status += strspn(status, " \t\r\n");
	length = strlen(status);
	while (length > 0 && strchr(" \t\r\n", status[length - 1]) != NULL)
		length--;
	for (int i = 0; i < lengthof(status_words); i++)
		if (pg_strncasecmp(status, status_words[i].word, length) == 0 &&
			status_words[i].word[length] == '\0')
			return status_words[i].status;
	*known = false;
	return "PENDING";
}

/* Returns whether events of a type are meant to come from this sender. */
bool
event_type_sent_by(EventType type, EventSender sender)
{
	return (event_types[type].senders & sender) != 0;
}

/* Returns whether an event is about a run: a visit of a step, or one of its items. */
bool
event_type_is_about_run(EventType type)
{
	return event_types[type].about_run;
}

/* Returns whether the result of an event, if it has one, is the value of its step. */
bool
event_type_carries_value(EventType type)
{
	return event_types[type].value != VALUE_NONE;
}

/*
 * Returns whether an event gives its step a value even without a result: the
 * value is null then.
 */
bool
event_type_defaults_to_null(EventType type)
{
	return event_types[type].value == VALUE_OR_NULL;
}

/* Returns whether an event ends its execution. */
bool
event_type_is_terminal(EventType type)
{
	return event_types[type].terminal;
}

/* Returns whether an event changes a running execution. */
bool
event_type_has_effect(EventType type)
{
	return event_types[type].has_effect;
}

/*
 * Returns whether the broker decides on an event: on a start, on a redrive, or on one
 * with effect.
 */
bool
event_type_is_decided(EventType type)
{
	return type == EVENT_EXECUTION_START || type == EVENT_EXECUTION_REDRIVEN ||
		type == EVENT_EXECUTION_FORKED ||
		event_types[type].has_effect;
}
