/* SPDX-License-Identifier: BSD-3-Clause */
/* waxwire-control and waxctl as an operator calls them. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[64];
static char config_path[100], admin_path[100];
static pid_t control;

static void write_config(const char *more)
{
    FILE *file = fopen(config_path, "w");
    fprintf(file,
            "control: {socket: %s/control.sock, admin_socket: %s}\nstore: {directory: %s/store}\n"
            "ports: [{kind: tap, device: x, addresses: [198.18.0.2/24]}]\nlisteners: [{port: 80, tls: "
            "false}]\n%s",
            directory, admin_path, directory, more);
    fclose(file);
}

static void setup(void)
{
    strcpy(directory, "/tmp/wax-prog-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(config_path, sizeof config_path, "%s/waxwire.yaml", directory);
    snprintf(admin_path, sizeof admin_path, "%s/admin.sock", directory);
    write_config("");
    control = 0;
}

static void teardown(void)
{
    char command[100];
    if (control != 0) {
        kill(control, SIGKILL);
        waitpid(control, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

/* Run a command line; its output, both streams, in `out`. Returns the exit code. */
static int run(const char *line, char *out, size_t room)
{
    char command[512];
    snprintf(command, sizeof command, "%s 2>&1", line);
    FILE *pipe = popen(command, "r");
    size_t len = fread(out, 1, room - 1, pipe);
    out[len] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_control(const char *arguments, char *out, size_t room)
{
    char line[400];
    snprintf(line, sizeof line, "%s --config %s %s", CONTROL_EXE, config_path, arguments);
    return run(line, out, room);
}

static int run_waxctl(const char *arguments, char *out, size_t room)
{
    char line[400];
    snprintf(line, sizeof line, "%s --socket %s %s", WAXCTL_EXE, admin_path, arguments);
    return run(line, out, room);
}

/* Whether somebody listens: the path is there a moment before. */
static bool listens(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, admin_path);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void start(void)
{
    struct timespec ms = {0, 1000000};
    control = fork();
    if (control == 0) {
        freopen("/dev/null", "w", stderr);
        execl(CONTROL_EXE, CONTROL_EXE, "--config", config_path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 8000 && !listens(); i++)
        nanosleep(&ms, NULL);
}

TestSuite(programs, .init = setup, .fini = teardown, .timeout = 60);

Test(programs, a_bad_configuration_is_refused_with_its_line_and_exit_2)
{
    char out[4096], want[200];
    write_config("dataplane:\n  workers: 99\n");
    cr_assert_eq(run_control("--check", out, sizeof out), 2);
    snprintf(want, sizeof want, "waxwire-control: %s:6: 'workers': '99' is out of range (1 to 64)\n",
             config_path);
    cr_assert_str_eq(out, want);
    write_config("tls: {key: /k}\nlimits: {connections: 10}\n");
    cr_assert_eq(run_control("", out, sizeof out), 2);
    cr_assert_not_null(strstr(out, "limits.half_open is above limits.connections"), "%s", out);
    cr_assert_eq(run(CONTROL_EXE, out, sizeof out), 2);
    cr_assert_eq(run(CONTROL_EXE " --nonsense", out, sizeof out), 2);
    cr_assert_eq(run(CONTROL_EXE " --config /nonexistent", out, sizeof out), 2);
}

Test(programs, what_is_asked_without_a_start_is_told_with_exit_0)
{
    char out[8192];
    cr_assert_eq(run_control("--check", out, sizeof out), 0);
    cr_assert_str_eq(out, "the configuration is good\n");
    cr_assert_eq(run_control("--dump", out, sizeof out), 0);
    cr_assert_not_null(strstr(out, "  workers: 1\n"));
    cr_assert_eq(run(CONTROL_EXE " --help", out, sizeof out), 0);
    cr_assert_not_null(strstr(out, "--config FILE"));
    cr_assert_eq(run(CONTROL_EXE " --version", out, sizeof out), 0);
    cr_assert_eq(run(WAXCTL_EXE " --help", out, sizeof out), 0);
    cr_assert_not_null(strstr(out, "counters"));
    cr_assert_eq(run(WAXCTL_EXE, out, sizeof out), 2);
    cr_assert_eq(run(WAXCTL_EXE " nonsense", out, sizeof out), 2);
    cr_assert_str_eq(out, "waxctl: unknown command 'nonsense'\n");
}

Test(programs, waxctl_tells_that_control_does_not_answer_with_exit_3)
{
    char out[4096], want[200];
    cr_assert_eq(run_waxctl("status", out, sizeof out), 3);
    snprintf(want, sizeof want,
             "waxctl: the control plane does not answer on %s: No such file or directory\n", admin_path);
    cr_assert_str_eq(out, want);
}

Test(programs, waxctl_shows_what_runs)
{
    char out[16384];
    struct stat info;
    int status;
    start();
    cr_assert_eq(run_waxctl("status", out, sizeof out), 0, "%s", out);
    cr_assert_not_null(strstr(out, "data plane  not attached\n"), "%s", out);
    cr_assert_not_null(strstr(out, "0 items waiting in 0 mailboxes"), "%s", out);
    cr_assert_eq(run_waxctl("store", out, sizeof out), 0, "%s", out);
    cr_assert_not_null(strstr(out, "living      0 items in 0 mailboxes, 0.0 MB\n"), "%s", out);
    cr_assert_eq(run_waxctl("mailbox", out, sizeof out), 0, "%s", out);
    cr_assert_str_eq(out, "0 of 0 mailboxes\n");
    cr_assert_eq(run_waxctl("mailbox nobody", out, sizeof out), 3, "%s", out);
    cr_assert_not_null(strstr(out, "\"user\" is 32 hexadecimal digits"), "%s", out);
    cr_assert_eq(run_waxctl("workers --interval 1", out, sizeof out), 0);
    cr_assert_str_eq(out, "no data plane is attached\n");
    cr_assert_eq(run_waxctl("sessions", out, sizeof out), 0);
    cr_assert_str_eq(out, "0 of 0 sessions\n");
    cr_assert_eq(run_waxctl("counters", out, sizeof out), 0);
    cr_assert_not_null(strstr(out, "rx_packets"));
    cr_assert_eq(run_waxctl("--json status", out, sizeof out), 0);
    cr_assert_eq(out[0], '{');
    cr_assert_eq(stat(admin_path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0660);
    cr_assert_eq(run_control("", out, sizeof out), 4); /* the store is in use */
    cr_assert_not_null(strstr(out, "in use by another process"), "%s", out);
    cr_assert_eq(run_waxctl("status", out, sizeof out), 0, "the second start disturbed the first");
    kill(control, SIGTERM);
    waitpid(control, &status, 0);
    control = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_neq(access(admin_path, F_OK), 0);
}
