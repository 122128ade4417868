"""Asking models: one engine for every endpoint, every fault and every dollar."""
