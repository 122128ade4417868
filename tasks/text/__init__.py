"""Functions on text from outside: cleaning, folding of texts that look the same, and text that many questions share."""
