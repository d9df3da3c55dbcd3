/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of waxwire-control. */
#ifndef CONTROL_ARGUMENTS_H
#define CONTROL_ARGUMENTS_H

#include "waxwire/config.h"

/* Fill the configuration, or do what is asked. Returns -1 to go on, else the exit code. */
int control_arguments(int argc, char **argv, struct wax_config *config);

#endif
