"""Problems that come with a program that searches for their answers."""
