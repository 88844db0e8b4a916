"""The command line: parse, call one function, print its report, choose the exit code."""
