"""One file for each command: it reads options, calls one public function, prints. Nothing imports it.

The whole paper, from the command line.
May import everything."""
