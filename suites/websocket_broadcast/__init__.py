"""The broadcaster, from outside: real sockets, compared message by message with what each user asked for."""
