"""The subcommands of `lungcancerdx`; each module imports what it needs only when it runs."""
