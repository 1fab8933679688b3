"""The benchmark: this server beside node-oidc-provider, in one run, on one core each."""
