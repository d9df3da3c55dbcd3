/* SPDX-License-Identifier: BSD-3-Clause */
/* waxgen: the program. */
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "waxgen/port.h"

#define EXIT_SHORT  3   /* of what was asked for */
#define EMPTY_TURNS 20u /* before it sleeps */
#define SLEEP_US    20u
#define TELL_US     1000000u
#define LOOK_US     20000u  /* whether the memif is up, and for commands */
#define LINGER_US   100000u /* after the end, until the relay has read the last frames */

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* Commands, when there are any: whole lines. The end of them is "end". */
static void listen_to(struct gen *gen, char line[GEN_LINE_BYTES], size_t *len)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    if (gen->phase != GEN_WAITING || gen->options.step_count != 0 || poll(&in, 1, 0) <= 0)
        return;
    char byte;
    ssize_t n;
    while ((n = read(STDIN_FILENO, &byte, 1)) == 1 && byte != '\n')
        if (*len < GEN_LINE_BYTES - 1)
            line[(*len)++] = byte;
    line[*len] = '\0';
    steps_command(gen, n == 1 ? line : (char[]){"end"});
    *len = 0;
}

static void run(struct gen *gen, struct port *port)
{
    static char command[GEN_LINE_BYTES];
    size_t command_len = 0;
    uint64_t told_us = port_now_us(), now_us = told_us, looked_us = told_us, done_us = 0;
    uint32_t empty = 0;
    while (done_us == 0 || now_us - done_us < LINGER_US) {
        now_us = port_now_us();
        bool busy = port_receive(port, gen, now_us);
        busy |= gen_turn(gen, now_us);
        port_flush(port);
        if (gen->phase == GEN_DONE && done_us == 0)
            done_us = now_us;
        empty = busy ? 0 : empty + 1;
        if (empty > EMPTY_TURNS && (!gen->options.performance || gen->phase == GEN_OPENING))
            usleep(SLEEP_US);
        if (now_us - looked_us >= LOOK_US) {
            looked_us = now_us;
            listen_to(gen, command, &command_len);
            bool up = port_up(port);
            if (!comeback_link(gen, up) && gen->phase < GEN_CLOSING && !gen->failed)
                gen_error(gen, NULL, "the way to the relay has gone", "");
            if (!up && gen->phase == GEN_AWAY)
                port_again(port);
        }
        if (now_us - told_us < TELL_US)
            continue;
        told_us = now_us;
        report_progress(gen);
        csv_line(gen);
        if (interrupted && !gen->failed)
            gen_error(gen, NULL, "interrupted", "");
    }
}

int main(int argc, char **argv)
{
    static struct port port;
    struct gen_options options;
    int end = options_read(argc, argv, &options);
    if (end >= 0)
        return end;
    if (sodium_init() < 0 || crypto_init() != WAX_OK || !port_open(&port, &options))
        return EXIT_FAILURE;
    prctl(PR_SET_TIMERSLACK, 1000ul);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    struct gen_port ends = port_of(&port);
    struct gen *gen = gen_make(&options, &ends, port.mac, port_now_us());
    if (gen == NULL)
        return EXIT_FAILURE;
    run(gen, &port);
    bool good = report_end(gen) && !gen->failed && (options.commands || traffic_done(gen));
    int status = !good ? EXIT_FAILURE : gen->short_of ? EXIT_SHORT : EXIT_SUCCESS;
    gen_free(gen);
    port_close(&port);
    profile_free(&options);
    return status;
}
