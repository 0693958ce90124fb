"""A worker's commands: `server` takes them, `route` says what one is, each other module is one kind of them."""
