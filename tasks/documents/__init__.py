"""Documents: books, lecture notes and pages become passages with their structure and their place in the file."""
