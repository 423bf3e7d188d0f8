/* whichquant: argv -> command -> exit code. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "base/os.h"
#include "cli/cli.h"

int cli_fail(const struct err *e)
{
    cli_warn("%s", e->text);
    switch (e->code) {
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_CANCELLED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

int cli_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    cli_warn("cannot write the result to standard output: %s", strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct cli c;
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, not a death */
    interrupt_install();
    int code = EXIT_DONE;
    if (cli_parse(&c, argc, argv, &e) < 0)
        code = cli_fail(&e);
    else if (c.version)
        printf("whichquant %s\n", WHICHQUANT_VERSION);
    else if (c.help || !c.command)
        cli_help(stdout, c.command);
    else
        code = c.command->run(&c);
    cli_done(&c);
    int flushed = cli_flush();
    return code ? code : flushed;
}
