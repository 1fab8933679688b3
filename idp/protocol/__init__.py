"""OAuth and OpenID rules, free of HTTP."""
