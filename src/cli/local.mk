# Room: the program, the only code that prints or exits.
