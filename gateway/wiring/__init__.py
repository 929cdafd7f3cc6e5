"""How the parts are put together: what is served where, from which rules, on which sockets."""
