"""The addresses of the page, one module per topic; each has `router(site)`."""
