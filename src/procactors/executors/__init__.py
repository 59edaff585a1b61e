"""Where steps run: on the event loop, in a thread, in another OS process; and how user code is called."""
