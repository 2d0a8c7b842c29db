/*
 * engine/signal.c
 *		Signals to an execution: they are events, signal_received.
 *
 * The context of the event is {"data": what the signal brings, "id": the sender's,
 * "key": for waits with this key only}, its meta {"sent_by": role, "sent_at": time}.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "engine/internal.h"

/* Names, keys and ids are indexed: so many bytes at most. */
#define LONGEST_NAME	512

/* Raises when a text of a signal is too long for an index. */
static void
check_length(const char *text, const char *what)
{
	if (text != NULL && strlen(text) > LONGEST_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the %s of a signal is too long", what),
				 errdetail("It has %d bytes; %d are allowed.", (int) strlen(text),
						   LONGEST_NAME)));
}

/* Raises for a signal that cannot be kept (engine/internal.h). */
void
signal_check(const Event *event)
{
	if (event->node_name == NULL || event->node_name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a signal needs a name"),
				 errhint("The node_name of the event is the name of the signal.")));
	check_length(event->node_name, "name");
	check_length(event->signal_key, "key");
	check_length(event->signal_id, "id");
}

/* Notes who sends a signal, and when: the current role, unless that is known. */
void
signal_annotate(Event *event)
{
	JsonBuilder builder;
	JsonbValue	value;

	if (event->sent_by == NULL)
		event->sent_by = GetUserNameFromId(GetUserId(), false);
	if (event->sent_at == 0)
		event->sent_at = event->created_at;
	json_begin_object(&builder);
	json_add_text(&builder, "sent_by", event->sent_by);
	json_add_text(&builder, "sent_at", moment_text(event->sent_at));
	json_end_object(&builder, &value);
	event->annotation = json_to_jsonb(&value);
}

/* Raises: an execution takes no signals any more. */
pg_noreturn static void
raise_over(int64 execution_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("execution " INT64_FORMAT " is over", execution_id),
			 errdetail("Nothing of it can wait for a signal any more."),
			 errhint("noetl.status() says how it ended; noetl.send() reaches whoever waits for a key.")));
}

/* Returns the context of a signal. */
static Jsonb *
signal_context(const SignalRequest *request)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	if (request->data != NULL)
	{
		json_from_jsonb(request->data, &value);
		json_add(&builder, "data", &value);
	}
	if (request->key != NULL)
		json_add_text(&builder, "key", request->key);
	if (request->id != NULL)
		json_add_text(&builder, "id", request->id);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Fills in the event of a signal (engine/internal.h). */
void
signal_fill(Event *event, int64 execution_id, const SignalRequest *request)
{
	memset(event, 0, sizeof(Event));
	event->execution_id = execution_id;
	event->event_type = event_type_name(EVENT_SIGNAL);
	event->type = EVENT_SIGNAL;
	event->node_name = request->name;
	event->context = signal_context(request);
	event->signal_key = request->key;
	event->signal_id = request->id;
}

/* Sends a signal to an execution (engine/engine.h). */
bool
engine_signal(int64 execution_id, const SignalRequest *request)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Event		event;
	bool		ended = false;

	signal_fill(&event, execution_id, request);
	signal_check(&event);
	engine_lock(execution_id);
	if (!store_get_execution(store, execution_id, &execution))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " does not exist", execution_id),
				 errhint("Start it with noetl.execute(); noetl.send() reaches whoever waits for a key.")));
	engine_check_owner(&execution);
	if (!execution.running)
		raise_over(execution_id);
	if (request->id == NULL || !store_signal_known(store, execution_id, request->id))
	{
		event.ended_wait = &ended;
		(void) engine_ingest(store, &event);
		if (event.ignored)
			raise_over(execution_id);
	}
	store_close(store);
	return ended;
}
