"""The data plane: one request, there and back."""
