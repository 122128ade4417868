"""Reads other people's files: records, their columns, chats, options and instructions."""
