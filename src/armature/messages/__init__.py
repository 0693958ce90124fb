"""What roles and engines say to each other, one module for each kind of request."""
