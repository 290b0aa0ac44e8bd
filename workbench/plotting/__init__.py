"""Every picture; nothing else imports matplotlib."""
