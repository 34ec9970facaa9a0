/* The program: `peer serve ...` is server.c, any other kind load.c, `peer tls` says
 * whether there is TLS.
 *
 * Owns: nothing but the choice. Doesn't know: what either does.
 */

#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        fail("usage: peer serve|echo|count|broadcast|connect|idle|tls ...");
    if (strcmp(argv[1], "tls") == 0) {
        printf("%d\n", TLS_AVAILABLE);
        return 0;
    }
    if (strcmp(argv[1], "serve") == 0)
        return serve(argc - 2, argv + 2);
    return load(argc - 1, argv + 1);
}
