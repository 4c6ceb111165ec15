"""What the user asked for: frozen, in Envoy's nouns, free of clocks, sockets and randomness."""
