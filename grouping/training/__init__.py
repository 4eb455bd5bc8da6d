"""Training of networks: encoders and heads, normalised losses, measured cost, the loop."""
