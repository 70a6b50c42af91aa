"""The subcommands of `kaleido`, one file each: arguments, one library call, print."""
