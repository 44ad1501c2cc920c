"""One file a subcommand; nothing but words in and out."""
