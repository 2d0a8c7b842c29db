/*
 * simulate/play.c
 *		The agenda of a play: what is due next happens next, and the time of the play
 *		is that of what happens.  Nothing waits, so three days pass at once.
 *
 * One worker does all tasks, each as soon as it is due and all of them side by side.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "simulate/internal.h"

/* pairingheap_comparator: what is due first is the greatest. */
static int
compare_entries(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const AgendaEntry *left = pairingheap_const_container(AgendaEntry, node, a);
	const AgendaEntry *right = pairingheap_const_container(AgendaEntry, node, b);

	if (left->at != right->at)
		return left->at < right->at ? 1 : -1;
	return left->number < right->number ? 1 : -1;
}

/* Puts something into the agenda, and returns it. */
AgendaEntry *
agenda_add(SimExecution *execution, AgendaKind kind, TimestampTz at, const Run *run)
{
	Simulation *simulation = execution->simulation;
	AgendaEntry *entry = MemoryContextAllocZero(simulation->memory, sizeof(AgendaEntry));

	entry->at = at;
	entry->number = ++simulation->entries;
	entry->kind = kind;
	entry->execution = execution;
	if (run != NULL)
	{
		entry->key.step = run->step;
		entry->key.visit = run->visit;
		entry->key.item = run->item;
		entry->attempts = run->attempts;
	}
	pairingheap_add(simulation->agenda, &entry->node);
	return entry;
}

/* Puts signals into the agenda; default_name: of those without one, or NULL. */
void
agenda_add_signals(SimExecution *execution, const List *signals, TimestampTz since,
				   const char *default_name)
{
	MemoryContext old = MemoryContextSwitchTo(execution->simulation->memory);
	ListCell   *lc;

	foreach(lc, signals)
	{
		const StubSignal *signal = (StubSignal *) lfirst(lc);
		const char *name = signal->name != NULL ? signal->name : default_name;
		AgendaEntry *entry;

		if (name == NULL)
			continue;
		entry = agenda_add(execution, AGENDA_SIGNAL, since + signal->after, NULL);
		entry->signal.name = pstrdup(name);
		json_copy(&signal->data, &entry->signal.data);
		entry->signal.key = signal->key == NULL ? NULL : pstrdup(signal->key);
		entry->signal.sent_by = signal->sent_by == NULL ? NULL : pstrdup(signal->sent_by);
	}
	MemoryContextSwitchTo(old);
}

/* Returns the row of an entry's task in the state that the entry expects; else NULL. */
static ModelRow *
task_of(const AgendaEntry *entry)
{
	ModelRow   *row = model_find(entry->execution->model, entry->key.step, entry->key.visit,
								 entry->key.item);

	return row != NULL && row->run.is_task && row->run.attempts == entry->attempts ? row : NULL;
}

/* Returns the step of an entry. */
static const Step *
step_of(const AgendaEntry *entry)
{
	return &entry->execution->playbook->steps[entry->key.step];
}

/* A worker takes a task, and will report what the stub of its step says. */
static void
happen_lease(const AgendaEntry *entry)
{
	SimExecution *execution = entry->execution;
	const Step *step = step_of(entry);
	ModelRow   *row = task_of(entry);
	AgendaEntry *report;
	Event		event;
	StubAnswer	answer;
	MemoryContext old;

	if (row == NULL || (row->run.state != RUN_QUEUED && row->run.state != RUN_RETRY))
		return;
	execution_event(execution, &event, EVENT_ACTION_STARTED, step, entry->key.visit,
					entry->key.item);
	event.meta = event_attempt_meta(entry->attempts + 1, NULL);
	execution_decide(execution, &event);
	row = model_find(execution->model, entry->key.step, entry->key.visit, entry->key.item);
	if (row == NULL || row->run.state != RUN_LEASED)
		return;
	old = MemoryContextSwitchTo(execution->simulation->memory);
	stub_answer(execution, step, entry->key.item, entry->attempts, &answer);
	report = agenda_add(execution, AGENDA_REPORT, execution->time + answer.after, &row->run);
	report->answer = answer;
	agenda_add_signals(execution, answer.signals, execution->time, NULL);
	MemoryContextSwitchTo(old);
}

/* A worker reports. */
static void
happen_report(const AgendaEntry *entry)
{
	SimExecution *execution = entry->execution;
	const ModelRow *row = task_of(entry);
	const StubAnswer *answer = &entry->answer;
	Event		event;

	if (row == NULL || row->run.state != RUN_LEASED)
		return;
	execution_event(execution, &event,
					answer->error == NULL ? EVENT_ACTION_COMPLETED : EVENT_ACTION_ERROR,
					step_of(entry), entry->key.visit, entry->key.item);
	event.meta = event_attempt_meta(entry->attempts, NULL);
	event.error = answer->error;
	if (answer->error == NULL || answer->has_result)
		event.result = json_to_jsonb(&answer->result);
	execution_decide(execution, &event);
}

/* A task takes too long. */
static void
happen_task_due(const AgendaEntry *entry)
{
	SimExecution *execution = entry->execution;
	const ModelRow *row = task_of(entry);
	Event		event;

	if (row == NULL || row->run.state != RUN_LEASED || row->run.deadline != entry->at)
		return;
	execution_event(execution, &event, EVENT_ACTION_ERROR, step_of(entry), entry->key.visit,
					entry->key.item);
	event.meta = event_attempt_meta(entry->attempts, REAPED_TIMEOUT);
	event.error = timeout_error(row->run.timeout);
	execution_decide(execution, &event);
}

/* The time of a run that is no task has come. */
static void
happen_run_due(const AgendaEntry *entry)
{
	const ModelRow *row = model_find_run(entry->execution->model, entry->key.step,
										 entry->key.visit);

	if (row != NULL && run_due_at(&row->run) == entry->at)
		execution_run_due(entry->execution, entry->key.step, entry->key.visit);
}

/* A signal comes. */
static void
happen_signal(const AgendaEntry *entry)
{
	const StubSignal *signal = &entry->signal;
	JsonBuilder builder;
	JsonbValue	value;
	Event		event;

	execution_event(entry->execution, &event, EVENT_SIGNAL, NULL, 0, -1);
	event.node_name = signal->name;
	event.node_type = NULL;
	json_begin_object(&builder);
	json_add(&builder, "data", &signal->data);
	if (signal->key != NULL)
		json_add_text(&builder, "key", signal->key);
	json_end_object(&builder, &value);
	event.context = json_to_jsonb(&value);
	event.meta = json_text_object("sent_by", signal->sent_by != NULL ? signal->sent_by :
								  GetUserNameFromId(GetUserId(), false));
	execution_decide(entry->execution, &event);
}

/* A child begins, unless its parent has given it up. */
static void
happen_child_start(const AgendaEntry *entry)
{
	Simulation *simulation = entry->execution->simulation;
	SimChild   *child = execution_find_child(simulation, entry->child_execution_id);
	const Playbook *playbook;
	const char *path;
	const char *problem;
	int			version;

	if (model_find_child(entry->execution->model, child->execution_id) == NULL)
		return;
	playbook = past_playbook(simulation, child->start.catalog_id, &path, &version, &problem);
	if (playbook == NULL)
		return;
	child->execution = execution_create(simulation, entry->execution, &child->start, playbook,
										path, version);
	execution_begin(child->execution, child->start.input);
}

/* An execution takes too long. */
static void
happen_deadline(const AgendaEntry *entry)
{
	SimExecution *execution = entry->execution;
	Event		event;

	if (execution->model->compensated)
		return;
	execution_event(execution, &event, EVENT_EXECUTION_FAILED, NULL, 0, -1);
	event.error = timeout_error(execution->deadline - execution->model->started_at);
	event.result = json_text_object("reason", event.error);
	event.meta = event_attempt_meta(0, REAPED_TIMEOUT);
	execution_decide(execution, &event);
}

/* Lets what is due happen, unless it has been overtaken. */
static void
happen(const AgendaEntry *entry)
{
	Simulation *simulation = entry->execution->simulation;

	if (execution_ended(entry->execution))
		return;
	simulation->now = Max(simulation->now, entry->at);
	switch (entry->kind)
	{
		case AGENDA_LEASE:
			happen_lease(entry);
			break;
		case AGENDA_REPORT:
			happen_report(entry);
			break;
		case AGENDA_TASK_DUE:
			happen_task_due(entry);
			break;
		case AGENDA_RUN_DUE:
			happen_run_due(entry);
			break;
		case AGENDA_SIGNAL:
			happen_signal(entry);
			break;
		case AGENDA_CHILD_START:
			happen_child_start(entry);
			break;
		case AGENDA_CHILD_END:
			execution_child_ended(entry->execution, &entry->end);
			break;
		case AGENDA_DEADLINE:
			happen_deadline(entry);
			break;
	}
}

/* Returns what a wait that has no time of its own waits for. */
static char *
describe_wait(const SimExecution *execution, const Run *run)
{
	const char *name = execution->playbook->steps[run->step].name;
	StringInfoData text;
	JsonbValue	context;
	JsonbValue	names;
	JsonbValue	element;
	JsonbIterator *it;
	bool		first = true;

	initStringInfo(&text);
	appendStringInfo(&text, "step \"%s%s\" waits for ", execution->prefix, name);
	json_from_jsonb(run->context, &context);
	if (!json_get(&context, "signals", &names) || !json_is_array(&names))
		appendStringInfoString(&text, "a time that never comes");
	else
	{
		it = json_walk(&names);
		while (json_next_element(&it, &element))
		{
			appendStringInfo(&text, "%s\"%.*s\"", first ? "the signal " : " or ",
							 element.val.string.len, element.val.string.val);
			first = false;
		}
		appendStringInfoString(&text, ", which no stub sends");
	}
	return text.data;
}

/* Finds a run of an execution that nothing will end; NULL: there is none. */
static char *
find_stuck_run(const SimExecution *execution)
{
	List	   *runs = execution_ended(execution) ? NIL : model_load_runs(execution->model);
	ListCell   *lc;

	foreach(lc, runs)
	{
		const Run  *run = (Run *) lfirst(lc);

		if (run->state == RUN_AWAITING)
			return describe_wait(execution, run);
		if (run->state == RUN_HELD)
			return psprintf("step \"%s%s\" is held, until somebody retries or skips it",
							execution->prefix, execution->playbook->steps[run->step].name);
	}
	return NULL;
}

/* Returns why nothing more happens although the execution is not over. */
static char *
describe_stuck(const Simulation *simulation)
{
	char	   *reason = find_stuck_run(simulation->root);
	HASH_SEQ_STATUS all;
	SimChild   *child;

	hash_seq_init(&all, simulation->children);
	while ((child = (SimChild *) hash_seq_search(&all)) != NULL)
		if (reason == NULL && child->execution != NULL)
			reason = find_stuck_run(child->execution);
	return reason != NULL ? reason : pstrdup("nothing more is due");
}

/* Lets one thing after the other happen; returns why the play ends early, or NULL. */
static char *
play(Simulation *simulation)
{
	MemoryContext scratch = AllocSetContextCreate(simulation->memory, "noetl simulated event",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;

	while (!execution_ended(simulation->root) && !pairingheap_is_empty(simulation->agenda))
	{
		AgendaEntry *entry = pairingheap_container(AgendaEntry, node,
												   pairingheap_remove_first(simulation->agenda));

		CHECK_FOR_INTERRUPTS();
		if (entry->at > simulation->request->at + SIMULATE_MAX_YEARS * SIMULATE_YEAR)
			return psprintf("the simulation ends after %d years; the execution would go on",
							SIMULATE_MAX_YEARS);
		MemoryContextSwitchTo(scratch);
		happen(entry);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
		pfree(entry);
		if (simulation->rows >= SIMULATE_MAX_ROWS)
			return psprintf("the simulation ends after %d rows; the execution would go on",
							simulation->rows);
		if (simulation->bytes > SIMULATE_MAX_BYTES)
			return psprintf("the simulation ends because its rows take more than %d MB; the execution would go on",
							(int) (SIMULATE_MAX_BYTES / (1024 * 1024)));
	}
	return execution_ended(simulation->root) ? NULL : describe_stuck(simulation);
}

/* Creates the table of children. */
static HTAB *
create_children(MemoryContext memory)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(int64);
	control.entrysize = sizeof(SimChild);
	control.hcxt = memory;
	return hash_create("noetl simulated children", 16, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Returns the path of a playbook, or what stands for it. */
static const char *
path_of(const Playbook *playbook)
{
	return playbook->path != NULL ? playbook->path :
		playbook->name != NULL ? playbook->name : "simulated";
}

/* Begins a play in CurrentMemoryContext; nothing has happened yet. */
Simulation *
simulation_create(const SimRequest *request)
{
	Simulation *simulation = palloc0(sizeof(Simulation));

	simulation->request = request;
	simulation->memory = CurrentMemoryContext;
	simulation->now = request->at;
	simulation->children = create_children(simulation->memory);
	simulation->agenda = pairingheap_allocate(compare_entries, NULL);
	simulation->root = execution_create(simulation, NULL, NULL, request->playbook,
										path_of(request->playbook), 1);
	return simulation;
}

/* Plays an execution to its end. */
void
simulation_play(const SimRequest *request, SimOutcome *outcome)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(caller, "noetl simulation",
												 ALLOCSET_DEFAULT_SIZES);
	Simulation *simulation;
	const Model *model;

	memset(outcome, 0, sizeof(SimOutcome));
	MemoryContextSwitchTo(memory);
	simulation = simulation_create(request);
	execution_begin(simulation->root, request->parameters);
	outcome->stopped = play(simulation);
	if (outcome->stopped != NULL)
		row_stopped(simulation, outcome->stopped);
	MemoryContextSwitchTo(caller);
	model = simulation->root->model;
	outcome->stopped = outcome->stopped == NULL ? NULL : pstrdup(outcome->stopped);
	outcome->status = model->status == NULL ? "RUNNING" : pstrdup(model->status);
	outcome->error = model->error == NULL ? NULL : pstrdup(model->error);
	outcome->result = log_copy_jsonb(model->result);
	MemoryContextDelete(memory);
}
