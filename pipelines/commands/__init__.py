"""The subcommands of `satiety`, a module each; whatever takes time to import is imported where it is used."""
