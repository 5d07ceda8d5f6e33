"""Imported first in the process that workers are forked from: Ctrl-C ends it without a word while it loads the rest.

It is started with Ctrl-C held back, as Python would answer it with a traceback from its first moment on.
"""

import signal

if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
    signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
