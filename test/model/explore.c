/*
 * test/model/explore.c
 *		Every order in which the runs of an execution can end, played by the decision
 *		core over the model in memory of noetl.simulate(): explore() in SQL.
 *
 * Compiled with all objects of the extension into a library of its own, and loaded
 * into a database without the extension.  An order is a list of choices: which of the
 * tasks there are ends next, and whether it fails.  Each order is played from the
 * beginning; the next one differs in the last choice that leaves another.
 */
#include "common/common.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_crc.h"
#include "utils/timestamp.h"

#include "simulate/internal.h"

#define MAX_CHOICES 200

PG_FUNCTION_INFO_V1(explore);

/* The choices of an order: which of how many. */
typedef struct Order
{
	int			made;			/* so many are given, or were made */
	int			chosen[MAX_CHOICES];
	int			among[MAX_CHOICES];
} Order;

/* SimRequest.tell: nobody listens. */
static void
tell_nobody(void *arg, const SimRow *row)
{
}

/* Sorts runs by step and visit. */
static int
compare_runs(const ListCell *a, const ListCell *b)
{
	const Run  *left = (const Run *) lfirst(a);
	const Run  *right = (const Run *) lfirst(b);

	return left->step != right->step ? left->step - right->step : left->visit - right->visit;
}

/* Returns the tasks of an execution, in the order of steps and visits. */
static List *
tasks_of(const SimExecution *execution)
{
	List	   *tasks = NIL;
	ListCell   *lc;

	foreach(lc, model_load_runs(execution->model))
	{
		if (((Run *) lfirst(lc))->is_task)
			tasks = lappend(tasks, lfirst(lc));
	}
	list_sort(tasks, compare_runs);
	return tasks;
}

/* A task ends, with {"visit": its number} as its result. */
static void
end_task(SimExecution *execution, const Run *run, bool failed)
{
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;

	execution_event(execution, &event, failed ? EVENT_ACTION_ERROR : EVENT_ACTION_COMPLETED,
					&execution->playbook->steps[run->step], run->visit, -1);
	json_begin_object(&builder);
	json_add_int(&builder, "visit", run->visit);
	json_end_object(&builder, &value);
	event.result = json_to_jsonb(&value);
	if (failed)
		event.error = "no";
	execution_decide(execution, &event);
}

/* Appends how an execution has ended: "| s0:1 s1:1 | COMPLETED 1 0". */
static void
describe_end(StringInfo text, const SimExecution *execution)
{
	const Playbook *playbook = execution->playbook;
	int			terminal = 0;

	appendStringInfoString(text, "|");
	for (int step = 0; step < playbook->nsteps; step++)
	{
		int			ended = 0;

		for (int i = 0; i < execution->nevents; i++)
		{
			const Event *event = execution->events[i];

			if ((event->type == EVENT_STEP_COMPLETED || event->type == EVENT_STEP_FAILED) &&
				strcmp(event->node_name, playbook->steps[step].name) == 0)
				ended++;
			if (step == 0 && event_type_is_terminal(event->type))
				terminal++;
		}
		if (ended > 0)
			appendStringInfo(text, " %s*%d", playbook->steps[step].name, ended);
	}
	appendStringInfo(text, " | %s %d %d",
					 execution->model->status == NULL ? "RUNNING" : execution->model->status,
					 terminal, list_length(model_load_runs(execution->model)));
}

/* Plays one order; adds the choices that it leaves open, and says what happened. */
static void
play_order(const SimRequest *request, Order *order, bool failures, StringInfo text)
{
	MemoryContext old = CurrentMemoryContext;
	Simulation *simulation;
	MemoryContext memory = AllocSetContextCreate(old, "explored order", ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(memory, "explored event",
												  ALLOCSET_DEFAULT_SIZES);
	SimExecution *execution;

	MemoryContextSwitchTo(memory);
	simulation = simulation_create(request);
	execution = simulation->root;
	execution_begin(execution, request->parameters);
	MemoryContextSwitchTo(scratch);
	for (int i = 0; i < MAX_CHOICES && !execution_ended(execution); i++)
	{
		List	   *tasks = tasks_of(execution);
		int			choices = list_length(tasks) * (failures ? 2 : 1);
		const Run  *run;
		bool		failed;

		CHECK_FOR_INTERRUPTS();
		if (choices == 0)
			break;
		if (i == order->made)
			order->chosen[order->made++] = 0;
		order->among[i] = choices;
		failed = order->chosen[i] >= list_length(tasks);
		run = (const Run *) list_nth(tasks, order->chosen[i] % list_length(tasks));
		appendStringInfo(text, "%s%s:%d ", failed ? "!" : "",
						 execution->playbook->steps[run->step].name, run->visit);
		end_task(execution, run, failed);
		MemoryContextReset(scratch);
	}
	describe_end(text, execution);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/* Goes on to the next order; false: there is none. */
static bool
next_order(Order *order)
{
	while (order->made > 0)
	{
		if (++order->chosen[order->made - 1] < order->among[order->made - 1])
			return true;
		order->made--;
	}
	return false;
}

/*
 * explore(content text, failures boolean, most bigint, told boolean) → text
 *
 * Plays all orders, at most so many.  Returns "orders sum", the sum being that of the
 * CRC-32 of what is said of each, or (told) what is said of each, one a line.
 */
Datum
explore(PG_FUNCTION_ARGS)
{
	bool		failures = PG_GETARG_BOOL(1);
	int64		most = PG_GETARG_INT64(2);
	bool		told = PG_GETARG_BOOL(3);
	SimRequest	request;
	Order	   *order = palloc0(sizeof(Order));
	StringInfoData said;
	StringInfoData all;
	int64		orders = 0;
	uint64		sum = 0;
	pg_crc32	crc;

	memset(&request, 0, sizeof(request));
	request.playbook = compile_for_play(PG_GETARG_TEXT_PP(0), NULL);
	request.parameters = empty_object();
	json_from_jsonb(empty_object(), &request.stubs);
	request.at = GetCurrentTimestamp();
	request.tell = tell_nobody;
	initStringInfo(&said);
	initStringInfo(&all);
	do
	{
		resetStringInfo(&said);
		play_order(&request, order, failures, &said);
		INIT_TRADITIONAL_CRC32(crc);
		COMP_TRADITIONAL_CRC32(crc, said.data, said.len);
		FIN_TRADITIONAL_CRC32(crc);
		sum += crc;
		orders++;
		if (told)
			appendStringInfo(&all, "%s\n", said.data);
	} while (orders < most && next_order(order));
	if (!told)
		appendStringInfo(&all, INT64_FORMAT " " UINT64_FORMAT, orders, sum);
	PG_RETURN_TEXT_P(cstring_to_text(all.data));
}
