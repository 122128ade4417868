"""Pages of the web: WARC files and tables of pages, their main text, screens against noise, recall of mathematics."""
