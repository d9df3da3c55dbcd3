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
    char command[1024];
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
    cr_assert_eq(run_waxctl("mailbox nobody", out, sizeof out), 2, "%s", out);
    cr_assert_str_eq(out, "waxctl: a user is 32 hexadecimal digits, not 'nobody'\n");
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

Test(programs, limits_and_the_configuration_in_force_are_told)
{
    char out[32768], line[200];
    start();
    cr_assert_eq(run_waxctl("limits", out, sizeof out), 0, "%s", out);
    cr_assert_not_null(strstr(out, "limits.connections               worker              16384"), "%s", out);
    cr_assert_eq(run_waxctl("config show", out, sizeof out), 0);
    cr_assert_not_null(strstr(out, "dataplane:\n  cores: []\n  workers: 1\n"), "%s", out);
    snprintf(line, sizeof line, "config diff %s", config_path);
    cr_assert_eq(run_waxctl(line, out, sizeof out), 0, "%s", out);
    cr_assert_str_eq(out, "the files say what runs\n");
    write_config("dataplane: {workers: 2}\nstore: {purge_s: 7}\n");
    cr_assert_eq(run_waxctl(line, out, sizeof out), 2, "a key that is repeated: %s", out);
    write_config("dataplane: {workers: 2}\nlimits: {blocks: 4096}\n");
    cr_assert_eq(run_waxctl(line, out, sizeof out), 1, "%s", out);
    cr_assert_not_null(
        strstr(out, "dataplane.workers                    1 -> 2  (restart waxwire-dataplane)\n"), "%s", out);
    cr_assert_not_null(
        strstr(out, "limits.blocks                        32768 -> 4096  (restart waxwire-dataplane)\n"),
        "%s", out);
    snprintf(line, sizeof line, "config diff --json %s", config_path);
    cr_assert_eq(run_waxctl(line, out, sizeof out), 1, "%s", out);
    cr_assert_not_null(strstr(out, "{\"same\":false,\"differences\":[{\"key\":\"dataplane.workers\""), "%s",
                       out);
    snprintf(line, sizeof line, "%s config check %s", WAXCTL_EXE, config_path);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s", out);
    write_config("dataplane: {workers: 99}\n");
    cr_assert_eq(run(line, out, sizeof out), 1, "%s", out);
    cr_assert_not_null(strstr(out, "'workers': '99' is out of range (1 to 64)\n"), "%s", out);
}

Test(programs, who_may_only_look_has_a_socket_of_its_own)
{
    char out[4096], line[500];
    struct stat info;
    snprintf(line, sizeof line,
             "control: {view_socket: %s/view.sock, view_group: \"%d\", socket: %s/c.sock, admin_socket: "
             "%s}\nlog: {}\n",
             directory, (int)getgid(), directory, admin_path);
    FILE *file = fopen(config_path, "w");
    fprintf(file,
            "%sstore: {directory: %s/store}\nports: [{kind: tap, device: x, addresses: [198.18.0.2/24]}]\n"
            "listeners: [{port: 80, tls: false}]\n",
            line, directory);
    fclose(file);
    start();
    snprintf(line, sizeof line, "%s --socket %s/view.sock status", WAXCTL_EXE, directory);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s", out);
    const char *const others[] = {"sessions", "mailbox", "tls reload", "trace 203.0.113.7"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        snprintf(line, sizeof line, "%s --socket %s/view.sock %s", WAXCTL_EXE, directory, others[i]);
        cr_assert_neq(run(line, out, sizeof out), 0, "%s", others[i]);
        cr_assert_not_null(strstr(out, "this socket is for looking at what names nobody"), "%s: %s",
                           others[i], out);
    }
    snprintf(line, sizeof line, "%s/view.sock", directory);
    cr_assert_eq(stat(line, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0660);
    snprintf(line, sizeof line, "grep -E '^(Seccomp|NoNewPrivs):' /proc/%d/status", (int)control);
    cr_assert_eq(run(line, out, sizeof out), 0);
    cr_assert_str_eq(out, "NoNewPrivs:\t1\nSeccomp:\t2\n");
}

/* What the store's key, and a key that the configuration names, look like in a file. */
static bool holds_secret(const char *path, const unsigned char *secret, size_t len)
{
    static char text[8 << 20];
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    size_t got = fread(text, 1, sizeof text, file);
    fclose(file);
    return memmem(text, got, secret, len) != NULL;
}

Test(programs, a_bundle_for_support_holds_no_secret)
{
    char out[4096], line[500], path[120];
    unsigned char key[32];
    const char *canary = "MC4CAQAwBQYDK2VwBCIEIKcanaryKcanaryKcanaryKcanaryKcanaryKcanary0";
    snprintf(path, sizeof path, "%s/tls.key", directory);
    FILE *file = fopen(path, "w");
    fprintf(file, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", canary);
    fclose(file);
    snprintf(line, sizeof line, "tls: {certificate: %s/tls.pem, key: %s}\n", directory, path);
    write_config(line);
    start();
    snprintf(line, sizeof line, "WAX_TOKEN=%s %s --socket %s support --output %s/bundle.tar", canary,
             WAXCTL_EXE, admin_path, directory);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s", out);
    snprintf(path, sizeof path, "%s/store/store.key", directory);
    file = fopen(path, "r");
    cr_assert_eq(fread(key, 1, sizeof key, file), sizeof key);
    fclose(file);
    snprintf(path, sizeof path, "%s/bundle.tar", directory);
    cr_assert(!holds_secret(path, key, sizeof key));
    cr_assert(!holds_secret(path, (const unsigned char *)canary, strlen(canary)));
    cr_assert(!holds_secret(path, (const unsigned char *)"PRIVATE KEY", 11));
    cr_assert(holds_secret(path, (const unsigned char *)"\"uptime_ms\"", 11), "it holds nothing at all");
    snprintf(line, sizeof line, "tar -tvf %s", path);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s", out);
    const char *const members[] = {"status.json", "counters.json",   "limits.json",
                                   "config.yaml", "machine/meminfo", "versions"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        cr_assert_not_null(strstr(out, members[i]), "%s in %s", members[i], out);
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
}

/* What a shell offers behind some words. */
static void completes(const char *shell, const char *words, const char *want)
{
    char line[700], out[4096];
    if (strcmp(shell, "bash") == 0)
        snprintf(line, sizeof line,
                 "bash -c 'source <(%s completion bash); COMP_WORDS=(waxctl %s \"\"); "
                 "COMP_CWORD=$((${#COMP_WORDS[@]}-1)); "
                 "_waxctl; echo \"${COMPREPLY[*]}\"'",
                 WAXCTL_EXE, words);
    else
        snprintf(line, sizeof line,
                 "zsh -fc 'compdef() { :; }; compadd() { shift; echo \"$*\"; }; _files() { echo files; }; "
                 "source <(%s completion zsh); words=(waxctl %s \"\"); CURRENT=${#words}; _waxctl'",
                 WAXCTL_EXE, words);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s: %s", line, out);
    cr_assert_not_null(strstr(out, want), "%s %s: %s", shell, words, out);
}

Test(programs, shells_complete_commands_and_the_man_page_is_sound)
{
    char line[300], out[4096];
    const char *const shells[] = {"bash", "zsh"};
    for (size_t i = 0; i < 2; i++) {
        completes(shells[i], "", " counters limits store ");
        completes(shells[i], "tls", "reload");
        completes(shells[i], "--json store", "verify dump");
        completes(shells[i], "config", "check show diff");
        completes(shells[i], "--socket x completion", "bash zsh man");
    }
    completes("zsh", "config check", "files");
    snprintf(line, sizeof line, "%s completion man | groff -man -ww -Tutf8 2>&1 >/dev/null", WAXCTL_EXE);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s", out);
    cr_assert_str_eq(out, "");
    snprintf(line, sizeof line, "%s completion fish", WAXCTL_EXE);
    cr_assert_eq(run(line, out, sizeof out), 2, "%s", out);
}

/* The screen of the test's tmux, once `want` is on it. */
static bool shows(const char *want, char *out, size_t room)
{
    char line[200];
    snprintf(line, sizeof line, "tmux -S %s/tmux capture-pane -p", directory);
    for (int i = 0; i < 100; i++) {
        if (run(line, out, room) == 0 && strstr(out, want) != NULL)
            return true;
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    return false;
}

Test(programs, top_lives_in_a_terminal)
{
    char out[16384], line[500];
    start();
    snprintf(line, sizeof line,
             "tmux -S %s/tmux -f /dev/null new-session -d -x 120 -y 30 '%s top --interval 200 --socket %s; "
             "echo ended $?; sleep 60'",
             directory, WAXCTL_EXE, admin_path);
    cr_assert_eq(run(line, out, sizeof out), 0, "%s", out);
    cr_assert(shows("q quit  space pause", out, sizeof out), "%s", out);
    cr_assert_not_null(strstr(out, "data plane NOT ATTACHED"), "%s", out);
    cr_assert_not_null(strstr(out, "store       0 items in 0 mailboxes"), "%s", out);
    snprintf(line, sizeof line, "tmux -S %s/tmux send-keys Space", directory);
    cr_assert_eq(run(line, out, sizeof out), 0);
    kill(control, SIGKILL);
    waitpid(control, NULL, 0);
    control = 0;
    snprintf(line, sizeof line, "tmux -S %s/tmux send-keys x", directory);
    cr_assert_eq(run(line, out, sizeof out), 0);
    cr_assert(shows("the control plane does not answer; asking again", out, sizeof out), "%s", out);
    start();
    cr_assert(shows("data plane NOT ATTACHED", out, sizeof out), "it is there again: %s", out);
    snprintf(line, sizeof line, "tmux -S %s/tmux send-keys q", directory);
    cr_assert_eq(run(line, out, sizeof out), 0);
    cr_assert(shows("ended 0", out, sizeof out), "%s", out);
    cr_assert_null(strstr(out, "q quit"), "the screen of before is back: %s", out);
    snprintf(line, sizeof line, "tmux -S %s/tmux kill-server", directory);
    cr_assert_eq(run(line, out, sizeof out), 0);
    cr_assert_eq(run_waxctl("top --interval 100", out, sizeof out), 0, "no terminal: once");
    cr_assert_eq(run_waxctl("top --interval 100 --count 2 --json", out, sizeof out), 0);
    cr_assert_not_null(strstr(out, "\"answers\":true"), "%s", out);
}
