"""What every test starts from, whatever started the tests."""

import signal

from hypothesis import settings

# A shell without job control starts a background job with SIGINT ignored, and `nohup` ignores
# SIGHUP. Children inherit that, and then no Ctrl-C of a test ends what the test has started.
# Neither a Python handler nor the default survives as "ignored" when a child is executed.
DISPOSITIONS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
}

for number, disposition in DISPOSITIONS.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, disposition)

# A property holds on a slow machine too: how long an example takes is no part of it.
settings.register_profile("kagami", deadline=None)
settings.load_profile("kagami")
