/*
 * layout.h
 *		Graphviz finds places for the steps of a graph, in a process of its own, which
 *		gets numbers and no names.
 *
 * A question is "STEPS EDGES LABELLED WIDTH HEIGHT", and a line "FROM TO WIDTH" for each
 * edge: the width of its label, 0 without one.  The answer is a line "WIDTH HEIGHT"; a
 * line "X Y" for each step, the middle of its upper side; a line for each edge, its
 * path as SVG has it; and a line "X Y" for each edge, the middle of its label.
 *
 * All of this is there only where HAVE_GRAPHVIZ is defined.
 */
#ifndef CONSOLE_LAYOUT_H
#define CONSOLE_LAYOUT_H

/* Larger graphs take Graphviz too long. */
#define LAYOUT_STEPS	300
#define LAYOUT_EDGES	600

/* The argument of the process that lays out: its question is its input. */
#define LAYOUT_ARGUMENT	"--lay-out-graph"

/*
 * Returns the answer to a question, to be freed; NULL when there is none within the
 * limits.
 */
extern char *layout_ask(const char *question);

/* What the process does: answers, and returns its exit status. */
extern int	layout_answer(void);

/* Returns the version of Graphviz that the console is built with. */
extern const char *layout_version(void);

#endif							/* CONSOLE_LAYOUT_H */
