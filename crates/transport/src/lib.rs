//! Listening, connecting, authenticating, health and metrics: what every daemon needs of the network.
