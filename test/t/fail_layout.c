/*
 * test/t/fail_layout.c
 *		Preloaded into the process of noetl-console that lays out, has Graphviz fail as
 *		FAIL_LAYOUT says: it says so ("all"), or an edge has no line ("none"), a line of no
 *		pieces ("empty"), or a piece that is no curve ("short").  With "last" before that, of the
 *		last edge only.  "limits" prints in the place of an answer what the process may take:
 *		seconds, bytes of a core, bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <graphviz/gvc.h>

/* Takes away what the line of an edge has. */
static void
break_line(Agedge_t *edge, const char *how)
{
	if (strcmp(how, "none") == 0)
		ED_spl(edge) = NULL;
	else if (strcmp(how, "empty") == 0)
		ED_spl(edge)->size = 0;
	else if (strcmp(how, "short") == 0)
		ED_spl(edge)->list[0].size = 1;
}

/* Prints the limits and ends the process. */
static void
print_limits(void)
{
	static const __rlimit_resource_t limits[] = {RLIMIT_CPU, RLIMIT_CORE, RLIMIT_AS};
	struct rlimit limit;

	for (int i = 0; i < 3; i++)
		if (getrlimit(limits[i], &limit) == 0)
			printf("%ld ", (long) limit.rlim_cur);
	fflush(stdout);
	_exit(0);
}

int
gvLayout(GVC_t *context, graph_t *graph, const char *engine)
{
	int			(*next) (GVC_t *, graph_t *, const char *) = dlsym(RTLD_NEXT, "gvLayout");
	const char *how = getenv("FAIL_LAYOUT");
	int			last = strncmp(how, "last", 4) == 0;
	int			result = next(context, graph, engine);

	if (strcmp(how, "limits") == 0)
		print_limits();
	for (Agnode_t *node = agfstnode(graph); node; node = agnxtnode(graph, node))
		for (Agedge_t *edge = agfstout(graph, node); edge; edge = agnxtout(graph, edge))
			if (!last || AGSEQ(edge) == (unsigned) agnedges(graph))
				break_line(edge, how + (last ? 4 : 0));
	return strcmp(how, "all") == 0 ? -1 : result;
}
