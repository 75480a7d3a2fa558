"""The data plane: where the decision meets the store, the origin and the client's socket."""
