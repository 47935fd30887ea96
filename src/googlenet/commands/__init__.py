"""One file for each command: it reads options, calls one public function, prints. Nothing imports it.

The whole paper, from the command line.
May import everything; what needs torch is imported when the command runs, so that help and refusals are immediate."""
