/*
 * simulate/execution.c
 *		One execution of a play: events are decided on, decisions are applied to the
 *		model, and what follows from them in time goes into the agenda.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/engine.h"
#include "simulate/internal.h"

/* The name of the worker that does all tasks. */
#define WORKER	"simulated"

/* Returns the child with an id, or NULL. */
SimChild *
execution_find_child(const Simulation *simulation, int64 execution_id)
{
	return (SimChild *) hash_search(simulation->children, &execution_id, HASH_FIND, NULL);
}

/* Returns whether an execution is over. */
bool
execution_ended(const SimExecution *execution)
{
	return execution->model->status != NULL;
}

/*
 * Returns the counters of stubs of the executions of a playbook with a prefix, new ones
 * in CurrentMemoryContext if it is the first.
 */
static int *
find_uses(Simulation *simulation, const char *prefix, const Playbook *playbook)
{
	SimUses    *uses;
	ListCell   *lc;

	foreach(lc, simulation->uses)
	{
		uses = (SimUses *) lfirst(lc);
		if (uses->playbook == playbook && strcmp(uses->prefix, prefix) == 0)
			return uses->uses;
	}
	uses = palloc(sizeof(SimUses));
	uses->prefix = prefix;
	uses->playbook = playbook;
	uses->uses = palloc0(sizeof(int) * playbook->nsteps);
	simulation->uses = lappend(simulation->uses, uses);
	return uses->uses;
}

/* Creates an execution; start: of a child, or NULL. */
SimExecution *
execution_create(Simulation *simulation, SimExecution *parent, const ChildStart *start,
				 const Playbook *playbook, const char *path, int version)
{
	MemoryContext old = MemoryContextSwitchTo(simulation->memory);
	SimExecution *execution = palloc0(sizeof(SimExecution));
	Execution  *row;

	execution->simulation = simulation;
	execution->parent = parent;
	execution->start = start;
	execution->playbook = playbook;
	execution->path = path == NULL ? "" : pstrdup(path);
	execution->version = version;
	execution->prefix = "";
	execution->execution_id = start != NULL ? start->execution_id : ++simulation->next_execution_id;
	execution->model = model_create(playbook);
	execution->values = palloc0(sizeof(List *) * playbook->nsteps);
	execution->time = simulation->now - 1;
	row = &execution->model->execution;
	row->execution_id = execution->execution_id;
	row->path = execution->path;
	row->version = version;
	row->item = -1;
	row->drive = 1;
	row->started_by = GetUserId();
	if (parent != NULL)
	{
		const SimChild *child = execution_find_child(simulation, execution->execution_id);
		const ModelChild *noted = model_find_child(parent->model, child->execution_id);

		row->parent_execution_id = parent->execution_id;
		row->parent_event_id = start->parent_event_id;
		row->depth = parent->model->execution.depth + 1;
		row->item = start->item;
		execution->prefix = psprintf("%s%s/", parent->prefix,
									 parent->playbook->steps[noted->key.step].name);
	}
	execution->uses = find_uses(simulation, execution->prefix, playbook);
	MemoryContextSwitchTo(old);
	return execution;
}

/* ---------------------------------------------------------------------------
 * Decisions are applied
 * ---------------------------------------------------------------------------
 */

/* Tells of the tasks that the database itself did before a decision was made. */
static void
tell_statements(SimExecution *execution, int decision)
{
	while (execution->statements != NIL)
	{
		const SimStatement *statement = (SimStatement *) linitial(execution->statements);

		if (statement->after > decision)
			return;
		row_task(execution, &statement->run, statement->type, statement->action, NULL, 0);
		execution->statements = list_delete_first(execution->statements);
	}
}

/* A task has been enqueued: a worker takes it at once. */
static void
apply_enqueue(SimExecution *execution, const Run *run)
{
	const Step *step = &execution->playbook->steps[run->step];

	row_task(execution, run, run->type != NULL ? run->type : step->type, run->action,
			 run->context, run->priority);
	(void) agenda_add(execution, AGENDA_LEASE, execution->time, run);
}

/* A task has been leased, or its attempt has ended: so far its timeout goes. */
static void
apply_deadline(SimExecution *execution, const Run *run)
{
	ModelRow   *row = (ModelRow *) run->handle;

	row->run.deadline = run->deadline;
	if (run->state == RUN_LEASED)
	{
		row->run.worker_id = WORKER;
		if (run->deadline != 0)
			(void) agenda_add(execution, AGENDA_TASK_DUE, run->deadline, run);
	}
	else
	{
		row->run.worker_id = NULL;
		(void) agenda_add(execution, AGENDA_LEASE,
						  Max(execution->time, run->available_at), run);
	}
}

/* Returns the first signal that a wait waits for, or NULL. */
static const char *
first_signal(const Run *run)
{
	JsonbValue	context;
	JsonbValue	names;

	json_from_jsonb(run->context, &context);
	if (!json_get(&context, "signals", &names) || !json_is_array(&names))
		return NULL;
	stub_pick(&names, 0);
	return names.type == jbvString ?
		pnstrdup(names.val.string.val, names.val.string.len) : NULL;
}

/* A run that is no task waits, or is open: its time will come. */
static void
apply_keep(SimExecution *execution, const Run *run)
{
	const Step *step = &execution->playbook->steps[run->step];
	TimestampTz due = run_due_at(run);

	/* of two at one time the signal comes first, as it was sent before the timer ran */
	if (run->state == RUN_AWAITING)
		agenda_add_signals(execution, stub_signals(execution, step), execution->time,
						   first_signal(run));
	if (due != 0)
		(void) agenda_add(execution, AGENDA_RUN_DUE, due, run);
}

/* Returns a copy of the start of a child, which outlives the evaluation. */
static const ChildStart *
keep_child(Simulation *simulation, const ChildStart *start)
{
	MemoryContext old = MemoryContextSwitchTo(simulation->memory);
	SimChild   *child;

	child = (SimChild *) hash_search(simulation->children, &start->execution_id, HASH_ENTER,
									 NULL);
	child->start = *start;
	child->start.input = log_copy_jsonb(start->input);
	child->start.current_item = log_copy_jsonb(start->current_item);
	child->execution = NULL;
	MemoryContextSwitchTo(old);
	return &child->start;
}

/*
 * A child is started: it begins at once, unless a stub stands for it or there is no
 * playbook to begin with.
 */
static void
apply_child(SimExecution *execution, const Run *run, const ChildStart *decided)
{
	Simulation *simulation = execution->simulation;
	const ChildStart *start = keep_child(simulation, decided);
	const Step *step = &execution->playbook->steps[run->step];
	MemoryContext old = MemoryContextSwitchTo(simulation->memory);
	StubAnswer	answer;
	const char *path;
	const char *problem;
	int			version;
	AgendaEntry *entry;

	stub_answer(execution, step, start->item, Max(start->attempt, 1) - 1, &answer);
	if (!answer.given &&
		past_playbook(simulation, start->catalog_id, &path, &version, &problem) != NULL)
		agenda_add(execution, AGENDA_CHILD_START, execution->time, run)->child_execution_id =
			start->execution_id;
	else
	{
		if (!answer.given)
			answer.error = problem;
		entry = agenda_add(execution, AGENDA_CHILD_END, execution->time + answer.after, run);
		entry->end.execution_id = start->execution_id;
		entry->end.parent_event_id = start->parent_event_id;
		entry->end.item = start->item;
		entry->end.completed = answer.error == NULL;
		entry->end.error = answer.error;
		if (entry->end.completed || answer.has_result)
			entry->end.result = json_to_jsonb(&answer.result);
		agenda_add_signals(execution, answer.signals, execution->time, NULL);
	}
	MemoryContextSwitchTo(old);
}

/* The children of an open run are withdrawn: those that run are cancelled. */
static void
apply_abandon(SimExecution *execution, const Run *run)
{
	HASH_SEQ_STATUS all;
	SimChild   *child;
	List	   *running = NIL;
	ListCell   *lc;

	hash_seq_init(&all, execution->simulation->children);
	while ((child = (SimChild *) hash_seq_search(&all)) != NULL)
		if (child->execution != NULL && child->execution->parent == execution &&
			child->start.parent_event_id == run->started_event_id &&
			!execution_ended(child->execution))
			running = lappend(running, child->execution);
	execution->simulation->now = Max(execution->simulation->now, execution->time);
	foreach(lc, running)
	{
		Event		event;

		execution_event((SimExecution *) lfirst(lc), &event, EVENT_EXECUTION_CANCELLED,
						NULL, 0, -1);
		execution_decide((SimExecution *) lfirst(lc), &event);
	}
}

/* The execution is over: its parent is told. */
static void
apply_finish(SimExecution *execution)
{
	const Model *model = execution->model;
	MemoryContext old;

	if (execution->parent == NULL)
		return;
	old = MemoryContextSwitchTo(execution->simulation->memory);
	engine_describe_end(&model->execution, model->status, model->result, model->error,
						execution->time,
						&agenda_add(execution->parent, AGENDA_CHILD_END, execution->time,
									NULL)->end);
	MemoryContextSwitchTo(old);
}

/* Applies a decision that changes rows, and plans what follows from it. */
static void
apply(SimExecution *execution, const Event *event, const Decision *decision, const Run *own)
{
	model_apply(execution->model, execution->state, event, decision, own);
	switch (decision->kind)
	{
		case DECIDE_KEEP:
			apply_keep(execution, decision->run);
			break;
		case DECIDE_ENQUEUE:
			apply_enqueue(execution, decision->run);
			break;
		case DECIDE_LEASE:
		case DECIDE_RETRY:
			apply_deadline(execution, decision->run);
			break;
		case DECIDE_START_CHILD:
			apply_child(execution, decision->run, decision->child);
			break;
		case DECIDE_ABANDON:
			apply_abandon(execution, decision->run);
			break;
		case DECIDE_FINISH:
			apply_finish(execution);
			break;
		default:
			break;
	}
}

/* Applies all decisions of an evaluation, in their order. */
static void
apply_decisions(SimExecution *execution, const Event *event, const Run *own)
{
	BrokerState *state = execution->state;
	ListCell   *lc;

	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		tell_statements(execution, foreach_current_index(lc));
		if (decision->kind == DECIDE_EMIT)
			row_event(execution, log_append(execution, decision->event));
		else
			apply(execution, event, decision, own);
	}
	tell_statements(execution, list_length(state->decisions));
	execution->state = NULL;
	execution->event = NULL;
	execution->time = Max(execution->time, state->time);
	execution->simulation->now = Max(execution->simulation->now, execution->time);
}

/* ---------------------------------------------------------------------------
 * Decisions are made
 * ---------------------------------------------------------------------------
 */

/* Fills in the state that every evaluation begins with. */
static void
begin_evaluation(SimExecution *execution, BrokerState *state)
{
	const Execution *row = &execution->model->execution;

	memset(state, 0, sizeof(BrokerState));
	state->playbook = execution->playbook;
	state->execution_id = execution->execution_id;
	state->parent_execution_id = row->parent_execution_id;
	state->path = execution->path;
	state->version = execution->version;
	state->depth = row->depth;
	state->started_by = row->started_by;
	state->drive = row->drive;
	state->jitter = 0.5;		/* delays are as the playbook says */
	state->time = execution->time;
	state->last_event_id = execution->last_event_id;
	past_answers(execution, &state->values);
	state->runs = model_load_runs(execution->model);
	execution->state = state;
	execution->event = NULL;
	execution->statements = NIL;
}

/* Returns when the next event of an execution comes. */
static TimestampTz
next_time(const SimExecution *execution)
{
	return Max(execution->simulation->now, execution->time + 1);
}

/* Fills in an event that comes now (simulate/internal.h). */
void
execution_event(SimExecution *execution, Event *event, EventType type, const Step *step,
				int visit, int item)
{
	const ModelRow *row;

	memset(event, 0, sizeof(Event));
	event->type = type;
	event->event_type = event_type_name(type);
	event->status = event_type_status(type);
	event->execution_id = execution->execution_id;
	event->parent_execution_id = execution->model->execution.parent_execution_id;
	event->catalog_id = execution->playbook->catalog_id;
	event->created_at = next_time(execution);
	event->event_id = Max(event_id_at(event->created_at), execution->last_event_id + 1);
	event->item = -1;
	if (step == NULL)
	{
		event->node_name = execution->path;
		event->node_type = "playbook";
		event->node_id = psprintf(INT64_FORMAT, execution->execution_id);
		return;
	}
	row = model_find(execution->model, step->index, visit, item);
	event->node_name = step->name;
	event->node_type = step->type;
	event->node_id = node_id_make(execution->execution_id, step->name, visit, item);
	event->has_index = item >= 0;
	event->current_index = item;
	event->worker_id = WORKER;
	if (row != NULL)
		event->parent_event_id = row->run.started_event_id;
}

/* Returns the run, or the item, that an event is about; NULL: none. */
static Run *
own_run(const BrokerState *state, const Event *event)
{
	ListCell   *lc;

	if (state->item != NULL)
		return state->item;
	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (event->node_name != NULL && event->visit == run->visit &&
			strcmp(state->playbook->steps[run->step].name, event->node_name) == 0)
			return run;
	}
	return NULL;
}

/* Lays what was decided about an event of the log over its meta. */
static void
annotate(const SimExecution *execution, Event *event)
{
	const BrokerState *state = execution->state;
	MemoryContext old = MemoryContextSwitchTo(execution->simulation->memory);
	ListCell   *lc;

	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);
		const Jsonb *note = decision->kind == DECIDE_ANNOTATE ? decision->meta :
			decision->kind == DECIDE_IGNORE ?
			json_text_object("ignored", decision->reason) : NULL;
		JsonbValue	below;
		JsonbValue	above;

		if (note == NULL)
			continue;
		json_from_jsonb(note, &above);
		if (event->meta != NULL)
		{
			json_from_jsonb(event->meta, &below);
			json_merge(&below, &above, false, &above);
		}
		event->meta = json_to_jsonb(&above);
	}
	MemoryContextSwitchTo(old);
}

/* Decides on an event, and applies what is decided. */
void
execution_decide(SimExecution *execution, Event *event)
{
	BrokerState state;
	JsonbValue	null;
	Event	   *logged;

	if (event->result == NULL && event_type_defaults_to_null(event->type))
	{
		json_null(&null);
		event->result = json_to_jsonb(&null);
	}
	logged = log_append(execution, event);
	begin_evaluation(execution, &state);
	execution->event = logged;
	if (logged->item >= 0)
		state.item = model_load_item(execution->model,
									 playbook_find_step(execution->playbook, logged->node_name,
														strlen(logged->node_name)),
									 logged->visit, logged->item);
	broker_decide(&state, logged);
	annotate(execution, logged);
	row_event(execution, logged);
	apply_decisions(execution, logged, own_run(&state, logged));
}

/* Fills in the state of an evaluation that no event has led to. */
static void
begin_without_event(SimExecution *execution, BrokerState *state)
{
	begin_evaluation(execution, state);
	state->time = Max(state->time, execution->simulation->now);
	state->now = state->time + 1;
}

/* Decides on the time of a run that has come. */
void
execution_run_due(SimExecution *execution, int step, int visit)
{
	BrokerState state;

	begin_without_event(execution, &state);
	broker_run_due(&state, step, visit);
	apply_decisions(execution, NULL, NULL);
}

/* Decides on the end of a child. */
void
execution_child_ended(SimExecution *execution, const ChildEnd *end)
{
	BrokerState state;

	model_remove_child(execution->model, end->execution_id);
	begin_without_event(execution, &state);
	broker_child_ended(&state, end);
	apply_decisions(execution, NULL, NULL);
}

/* ---------------------------------------------------------------------------
 * The beginning
 * ---------------------------------------------------------------------------
 */

/* Fills in the context and the meta of an execution_start. */
static void
describe_start(SimExecution *execution, Event *event, const Jsonb *parameters)
{
	const ChildStart *start = execution->start;
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "path", execution->path);
	json_from_jsonb(parameters, &value);
	json_add(&builder, "workload", &value);
	json_add_bool(&builder, "merge", start != NULL);
	json_end_object(&builder, &value);
	event->context = json_to_jsonb(&value);
	if (start == NULL || start->attempt <= 0)
		return;
	json_begin_object(&builder);
	json_add_int(&builder, "attempt", start->attempt);
	json_end_object(&builder, &value);
	event->meta = json_to_jsonb(&value);
}

/* Plans the end of an execution by its own timeout, or by that of the calling step. */
static void
plan_deadline(SimExecution *execution)
{
	int64		timeout = execution->playbook->timeout;
	const ChildStart *start = execution->start;

	if (start != NULL && start->timeout > 0 && (timeout == 0 || start->timeout < timeout))
		timeout = start->timeout;
	if (timeout == 0)
		return;
	execution->deadline = execution->model->started_at + timeout;
	(void) agenda_add(execution, AGENDA_DEADLINE, execution->deadline, NULL);
}

/* Begins an execution with its parameters. */
void
execution_begin(SimExecution *execution, const Jsonb *parameters)
{
	Model	   *model = execution->model;
	BrokerState state;
	Event		start;
	Event	   *event;
	Jsonb	   *workload = NULL;
	const char *error;
	MemoryContext old;

	execution_event(execution, &start, EVENT_EXECUTION_START, NULL, 0, -1);
	if (execution->start != NULL)
		start.parent_event_id = execution->start->parent_event_id;
	describe_start(execution, &start, parameters);
	event = log_append(execution, &start);
	model->started_at = event->created_at;
	plan_deadline(execution);
	begin_evaluation(execution, &state);
	error = engine_render_workload(&state, event, &workload);
	if (error == NULL)
	{
		old = MemoryContextSwitchTo(execution->simulation->memory);
		model->workload = log_copy_jsonb(workload);
		MemoryContextSwitchTo(old);
		broker_decide(&state, event);
	}
	else
		broker_refuse(&state, event, error);
	annotate(execution, event);
	execution->start_meta = event->meta;
	row_event(execution, event);
	apply_decisions(execution, event, NULL);
}
