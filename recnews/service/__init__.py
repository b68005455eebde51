"""The HTTP service: `recnews serve`. Needs the extra `serve`; nothing else imports this room but the command line."""
