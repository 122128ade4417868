"""The embedded teacher: a rule-based model behind the chat-completions wire. It reads the prompt's text as a model would."""
