/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl top: the screen, the keys, the clock. */
#include "waxctl_top.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "waxctl.h"

#define SCREEN_BYTES    (256u << 10)
#define INTERVAL_MS_MIN 100u

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void look_free(struct top_look *look)
{
    json_object_put(look->status);
    json_object_put(look->workers);
    json_object_put(look->counters);
    json_object_put(look->limits);
    json_object_put(look->store);
    memset(look, 0, sizeof *look);
}

static void look_take(const struct options *options, struct top_look *look)
{
    look_free(look);
    look->status = try_ask_object(options, "status");
    if (look->status == NULL)
        return;
    look->workers = try_ask_object(options, "workers");
    look->limits = try_ask_object(options, "limits");
    look->store = try_ask_object(options, "store");
    look->counters = try_ask_object(options, "counters");
}

/* Wait for the next look. True when a key says to go. */
static bool wait_for_key(bool keys, uint64_t until_ms, bool *paused)
{
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd in = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
        char key;
        if (interrupted)
            return true;
        if (now >= until_ms && !*paused)
            return false;
        int wait = *paused ? 1000 : (int)(until_ms - now);
        if (poll(&in, 1, wait) <= 0)
            continue;
        if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3)
            return true;
        if (key == ' ')
            *paused = !*paused;
        else
            *paused = false;
        if (key != ' ')
            return false; /* any other key: look now */
    }
}

static struct top_screen screen_now(bool terminal)
{
    struct winsize size = {0};
    struct top_screen screen = {.rows = 1000, .columns = 200, .color = terminal, .more = terminal};
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2) {
        screen.rows = size.ws_row - 1u; /* the last one tells the keys */
        screen.columns = size.ws_col;
    }
    return screen;
}

static void draw(const struct options *options, const struct top_look *before, const struct top_look *now,
                 bool terminal, bool paused)
{
    static char text[SCREEN_BYTES];
    struct top_screen screen = screen_now(terminal);
    if (options->json) {
        struct json_object *object = top_object(before, now);
        print_json(object);
        json_object_put(object);
    } else {
        size_t len = top_write(before, now, &screen, text, sizeof text);
        if (terminal)
            fputs("\033[H", stdout);
        fwrite(text, 1, len, stdout);
        if (terminal)
            printf("%s\033[J",
                   paused ? "PAUSED  space go on  q quit" : "q quit  space pause  any key look now");
    }
    fflush(stdout);
}

int top_run(const struct options *options)
{
    struct top_look look[2] = {{0}};
    struct termios before, raw;
    struct sigaction action = {.sa_handler = on_signal};
    bool terminal = !options->json && isatty(STDOUT_FILENO) == 1;
    bool keys = terminal && tcgetattr(STDIN_FILENO, &before) == 0, paused = false;
    uint32_t interval = options->interval_ms < INTERVAL_MS_MIN ? INTERVAL_MS_MIN : options->interval_ms;
    uint32_t count = options->number[OPTION_COUNT] != 0 ? options->number[OPTION_COUNT]
                     : terminal || options->json        ? 0
                                                        : 1;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGPIPE, &action, NULL);
    if (keys) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (terminal)
        fputs("\033[?1049h\033[?25l", stdout);
    look_take(options, &look[0]);
    bool gone = look[0].status == NULL && !terminal;
    if (terminal)
        draw(options, &look[0], &look[0], terminal, paused);
    for (uint32_t turn = 0, done = 0; !gone && (count == 0 || done < count); turn ^= 1, done++) {
        if (wait_for_key(keys, now_ms() + interval, &paused))
            break;
        look_take(options, &look[turn ^ 1]);
        draw(options, &look[turn], &look[turn ^ 1], terminal, paused);
    }
    if (terminal)
        fputs("\033[?25h\033[?1049l", stdout);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    look_free(&look[0]);
    look_free(&look[1]);
    if (gone)
        fprintf(stderr, "waxctl: the control plane does not answer on %s\n", options->socket);
    return gone ? EXIT_NO_ANSWER : 0;
}
