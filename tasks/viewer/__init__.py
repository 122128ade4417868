"""The page over the store (`mathmill view`): versions, rows, comparisons, costs and runs in a browser, rendered by the server."""
