/*
 * server_shim.h
 *		The stand-in for the server that the YAML reader is fuzzed with.
 */
#ifndef SERVER_SHIM_H
#define SERVER_SHIM_H

extern void shim_reset(void);

#endif							/* SERVER_SHIM_H */
